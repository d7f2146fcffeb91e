extern "C" __global__ void convolve(const float* x, const float* weight, float* out, int c, int k, int h, int w) {
  int col = blockIdx.x * blockDim.x + threadIdx.x;
  int row = blockIdx.y * blockDim.y + threadIdx.y;
  int image = blockIdx.z / k;
  int filter = blockIdx.z % k;
  if (row >= h || col >= w) return;

  float sum = 0.0f;
  for (int channel = 0; channel < c; ++channel) {
    for (int r = 0; r < 3; ++r) {
      for (int s = 0; s < 3; ++s) {
        int y = row + r - 1;
        int z = col + s - 1;
        if (y >= 0 && y < h && z >= 0 && z < w) {
          sum += x[((image * c + channel) * h + y) * w + z] * weight[((filter * c + channel) * 3 + r) * 3 + s];
        }
      }
    }
  }
  out[((image * k + filter) * h + row) * w + col] = sum;
}
