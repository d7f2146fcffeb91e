#include <cuda_bf16.h>

// One thread per row.
extern "C" __global__ void layernorm(const __nv_bfloat16* x, const __nv_bfloat16* gamma, const __nv_bfloat16* beta,
                                     __nv_bfloat16* y, int rows, int cols) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  const __nv_bfloat16* in = x + (size_t)row * cols;
  __nv_bfloat16* out = y + (size_t)row * cols;
  float mean = 0.0f;
  for (int j = 0; j < cols; ++j) {
    mean += __bfloat162float(in[j]);
  }
  mean /= cols;
  float variance = 0.0f;
  for (int j = 0; j < cols; ++j) {
    float d = __bfloat162float(in[j]) - mean;
    variance += d * d;
  }
  variance /= cols;
  float scale = rsqrtf(variance + 1e-5f);
  for (int j = 0; j < cols; ++j) {
    float normal = (__bfloat162float(in[j]) - mean) * scale;
    out[j] = __float2bfloat16(normal * __bfloat162float(gamma[j]) + __bfloat162float(beta[j]));
  }
}
