extern "C" __global__ void invert(const float* a, float* inverse, float* work, int batch, int n) {
  int matrix = blockIdx.x * blockDim.x + threadIdx.x;
  if (matrix >= batch) {
    return;
  }
  size_t base = (size_t)matrix * n * n;
  float* left = work + base;
  float* right = inverse + base;
  for (int i = 0; i < n * n; i++) {
    left[i] = a[base + i];
    right[i] = i / n == i % n ? 1.0f : 0.0f;
  }
  for (int k = 0; k < n; k++) {
    float pivot = left[k * n + k];
    for (int j = 0; j < n; j++) {
      left[k * n + j] /= pivot;
      right[k * n + j] /= pivot;
    }
    for (int i = 0; i < n; i++) {
      if (i != k) {
        float factor = left[i * n + k];
        for (int j = 0; j < n; j++) {
          left[i * n + j] -= factor * left[k * n + j];
          right[i * n + j] -= factor * right[k * n + j];
        }
      }
    }
  }
}
