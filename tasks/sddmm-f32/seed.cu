// One thread per entry of the pattern.
extern "C" __global__ void sample(const int* rows, const int* cols, const float* scale, const float* a, const float* b,
                                  float* out, int nnz, int d) {
  int e = blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= nnz) return;
  float sum = 0.0f;
  for (int k = 0; k < d; ++k) {
    sum += a[rows[e] * d + k] * b[cols[e] * d + k];
  }
  out[e] = scale[e] * sum;
}
