extern "C" __global__ void cholesky(const float* a, float* l, int batch, int n) {
  int m = blockIdx.x * blockDim.x + threadIdx.x;
  if (m >= batch) {
    return;
  }
  a += (size_t)m * n * n;
  l += (size_t)m * n * n;
  for (int r = 0; r < n; r++) {
    for (int c = 0; c <= r; c++) {
      float sum = a[r * n + c];
      for (int k = 0; k < c; k++) {
        sum -= l[r * n + k] * l[c * n + k];
      }
      l[r * n + c] = c == r ? sqrtf(sum) : sum / l[c * n + c];
    }
    for (int c = r + 1; c < n; c++) {
      l[r * n + c] = 0.0f;
    }
  }
}
