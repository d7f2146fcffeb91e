extern "C" __global__ void spmm(const int* row_ptr, const int* cols, const float* vals, const float* x, float* y,
                                int rows, int d) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  for (int feature = 0; feature < d; feature++) {
    float sum = 0.0f;
    for (int k = row_ptr[row]; k < row_ptr[row + 1]; k++) {
      sum += vals[k] * x[cols[k] * d + feature];
    }
    y[row * d + feature] = sum;
  }
}
