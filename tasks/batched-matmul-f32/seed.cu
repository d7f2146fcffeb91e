extern "C" __global__ void batched_matmul(const float* a, const float* b, float* c, int batch, int n) {
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (long long)batch * n * n) {
    return;
  }
  int col = i % n;
  int row = i / n % n;
  long long base = i / n / n * n * n;
  float sum = 0.0f;
  for (int k = 0; k < n; k++) {
    sum += a[base + row * n + k] * b[base + k * n + col];
  }
  c[i] = sum;
}
