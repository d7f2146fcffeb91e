extern "C" __global__ void window_energy(const float* image, const float* basis, float* out, int h, int w) {
  int x = blockIdx.x * blockDim.x + threadIdx.x;
  int y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= w || y >= h) return;
  float energy = 0.0f;
  for (int u = 0; u < 8; ++u) {
    for (int v = 0; v < 8; ++v) {
      float coefficient = 0.0f;
      for (int i = 0; i < 8; ++i) {
        float row = 0.0f;
        for (int j = 0; j < 8; ++j) {
          row += basis[8 * v + j] * image[(y + i) * (w + 8) + x + j];
        }
        coefficient += basis[8 * u + i] * row;
      }
      energy += (1 + u) * (1 + v) / 64.0f * fabsf(coefficient);
    }
  }
  out[y * w + x] = energy;
}
