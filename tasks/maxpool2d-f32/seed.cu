extern "C" __global__ void pool(const float* x, float* out, int h, int w) {
  int out_h = (h + 1) / 2;
  int out_w = (w + 1) / 2;
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  int col = blockIdx.y * blockDim.y + threadIdx.y;
  if (row >= out_h || col >= out_w) return;

  const float* image = x + (size_t)blockIdx.z * h * w;
  float best = image[2 * row * w + 2 * col];
  for (int dy = -1; dy <= 1; ++dy) {
    for (int dx = -1; dx <= 1; ++dx) {
      int y = 2 * row + dy;
      int z = 2 * col + dx;
      if (y >= 0 && y < h && z >= 0 && z < w) {
        best = fmaxf(best, image[y * w + z]);
      }
    }
  }
  out[((size_t)blockIdx.z * out_h + row) * out_w + col] = best;
}
