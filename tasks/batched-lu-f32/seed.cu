// One thread per matrix.
extern "C" __global__ void factor(const float* a, float* lu, int* perm, int batch, int n) {
  int id = blockIdx.x * blockDim.x + threadIdx.x;
  if (id >= batch) return;
  a += (size_t)id * n * n;
  lu += (size_t)id * n * n;
  perm += (size_t)id * n;
  for (int i = 0; i < n * n; ++i) lu[i] = a[i];
  for (int i = 0; i < n; ++i) perm[i] = i;
  for (int k = 0; k < n; ++k) {
    int pivot = k;
    for (int i = k + 1; i < n; ++i) {
      if (fabsf(lu[i * n + k]) > fabsf(lu[pivot * n + k])) pivot = i;
    }
    for (int j = 0; j < n; ++j) {
      float t = lu[k * n + j];
      lu[k * n + j] = lu[pivot * n + j];
      lu[pivot * n + j] = t;
    }
    int row = perm[k];
    perm[k] = perm[pivot];
    perm[pivot] = row;
    for (int i = k + 1; i < n; ++i) {
      lu[i * n + k] /= lu[k * n + k];
      for (int j = k + 1; j < n; ++j) lu[i * n + j] -= lu[i * n + k] * lu[k * n + j];
    }
  }
}
