// One thread per row, three passes over it.
extern "C" __global__ void softmax(const float* x, float* y, int rows, int cols) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  const float* in = x + (size_t)row * cols;
  float* out = y + (size_t)row * cols;
  float largest = in[0];
  for (int j = 1; j < cols; ++j) {
    largest = fmaxf(largest, in[j]);
  }
  float sum = 0.0f;
  for (int j = 0; j < cols; ++j) {
    sum += expf(in[j] - largest);
  }
  for (int j = 0; j < cols; ++j) {
    out[j] = expf(in[j] - largest) / sum;
  }
}
