#include <cuda_bf16.h>

extern "C" __global__ void swiglu(const __nv_bfloat16* x, const __nv_bfloat16* w1, const __nv_bfloat16* w2,
                                  __nv_bfloat16* y, int m, int n, int k) {
  int col = blockIdx.x * blockDim.x + threadIdx.x;
  int row = blockIdx.y * blockDim.y + threadIdx.y;
  if (row >= m || col >= n) {
    return;
  }
  float gate = 0.0f;
  float value = 0.0f;
  for (int i = 0; i < k; i++) {
    float in = __bfloat162float(x[row * k + i]);
    gate += in * __bfloat162float(w1[i * n + col]);
    value += in * __bfloat162float(w2[i * n + col]);
  }
  y[row * n + col] = __float2bfloat16(gate / (1.0f + expf(-gate)) * value);
}
