extern "C" __global__ void depthwise(const float* x, const float* weight, float* out, int c, int h, int w) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  int col = blockIdx.y * blockDim.y + threadIdx.y;
  int plane = blockIdx.z;
  int channel = plane % c;
  if (row >= h || col >= w) return;

  float sum = 0.0f;
  for (int r = -2; r <= 2; ++r) {
    for (int s = -2; s <= 2; ++s) {
      int y = row + r;
      int z = col + s;
      if (y < 0 || y >= h || z < 0 || z >= w) continue;
      sum += x[(plane * h + y) * w + z] * weight[channel * 25 + (r + 2) * 5 + s + 2];
    }
  }
  out[(plane * h + row) * w + col] = sum;
}
