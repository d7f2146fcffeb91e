#include <cuda_fp16.h>

// Each thread normalises one row.
extern "C" __global__ void rmsnorm(const __half* x, const __half* w, __half* y, int rows, int cols) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  float sum = 0.0f;
  for (int col = 0; col < cols; ++col) {
    float v = __half2float(x[(size_t)row * cols + col]);
    sum += v * v;
  }
  float inverse = rsqrtf(sum / cols + 1e-6f);
  for (int col = 0; col < cols; ++col) {
    float v = __half2float(x[(size_t)row * cols + col]);
    y[(size_t)row * cols + col] = __float2half(v * inverse * __half2float(w[col]));
  }
}
