#include <cuda_fp16.h>

// One thread rotates all pairs (i, i + dim / 2) of one head of one token.
extern "C" __global__ void rope(const __half* x, const int* positions, __half* y, int tokens, int heads, int dim) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= tokens * heads) return;
  const __half* in = x + (size_t)row * dim;
  __half* out = y + (size_t)row * dim;
  int half_dim = dim / 2;
  float position = (float)positions[row / heads];
  for (int i = 0; i < half_dim; ++i) {
    float angle = position / powf(10000.0f, (float)i / half_dim);
    float c = cosf(angle);
    float s = sinf(angle);
    float a = __half2float(in[i]);
    float b = __half2float(in[i + half_dim]);
    out[i] = __float2half(a * c - b * s);
    out[i + half_dim] = __float2half(b * c + a * s);
  }
}
