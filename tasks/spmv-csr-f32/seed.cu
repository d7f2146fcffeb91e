// One thread per row.
extern "C" __global__ void spmv(const int* row_ptr, const int* cols, const float* vals, const float* x, float* y,
                                int rows) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  float sum = 0.0f;
  for (int j = row_ptr[row]; j < row_ptr[row + 1]; ++j) {
    sum += vals[j] * x[cols[j]];
  }
  y[row] = sum;
}
