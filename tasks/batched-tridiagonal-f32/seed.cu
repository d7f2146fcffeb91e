extern "C" __global__ void thomas(const float* a, const float* b, const float* c, const float* d, float* x, float* work,
                                  int batch, int n) {
  int system = blockIdx.x * blockDim.x + threadIdx.x;
  if (system >= batch) {
    return;
  }
  size_t base = (size_t)system * n;
  float last_c = 0.0f;
  float last_d = 0.0f;
  for (int i = 0; i < n; i++) {
    float pivot = b[base + i] - a[base + i] * last_c;
    last_d = (d[base + i] - a[base + i] * last_d) / pivot;
    last_c = c[base + i] / pivot;
    work[base + i] = last_c;
    x[base + i] = last_d;
  }
  for (int i = n - 2; i >= 0; i--) {
    x[base + i] -= work[base + i] * x[base + i + 1];
  }
}
