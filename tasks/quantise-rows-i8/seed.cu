extern "C" __global__ void quantise_rows(const float* x, signed char* q, float* scale, int rows, int cols) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) {
    return;
  }
  const float* values = x + (size_t)row * cols;
  float largest = 0.0f;
  for (int c = 0; c < cols; c++) {
    largest = fmaxf(largest, fabsf(values[c]));
  }
  float s = largest / 127.0f;
  scale[row] = s;
  for (int c = 0; c < cols; c++) {
    q[(size_t)row * cols + c] = (signed char)rintf(values[c] / s);
  }
}
