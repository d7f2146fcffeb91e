// One thread adds up one column.
extern "C" __global__ void column_sum(const float* a, float* out, int rows, int cols) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= cols) return;
  float sum = 0.0f;
  for (int r = 0; r < rows; ++r) {
    sum += a[(size_t)r * cols + c];
  }
  out[c] = sum;
}
