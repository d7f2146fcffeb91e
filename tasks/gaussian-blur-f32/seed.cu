extern "C" __global__ void blur(const float* image, const float* taps, float* out, int h, int w, int r) {
  int x = blockIdx.x * blockDim.x + threadIdx.x;
  int y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= w || y >= h) return;
  float sum = 0.0f;
  for (int dy = -r; dy <= r; ++dy) {
    for (int dx = -r; dx <= r; ++dx) {
      int row = min(max(y + dy, 0), h - 1);
      int col = min(max(x + dx, 0), w - 1);
      sum += taps[dy + r] * taps[dx + r] * image[row * w + col];
    }
  }
  out[y * w + x] = sum;
}
