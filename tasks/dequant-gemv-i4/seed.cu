#include <cuda_fp16.h>

// A thread per row.
extern "C" __global__ void gemv(const unsigned int* weights, const half* scales, const float* x, float* y, int rows, int cols) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  float sum = 0.0f;
  for (int c = 0; c < cols; ++c) {
    unsigned int word = weights[(size_t)row * (cols / 8) + c / 8];
    int q = (word >> (4 * (c % 8))) & 15;
    float scale = __half2float(scales[row * (cols / 128) + c / 128]);
    sum += (float)(q - 8) * scale * x[c];
  }
  y[row] = sum;
}
