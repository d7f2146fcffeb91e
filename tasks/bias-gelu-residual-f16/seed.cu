#include <cuda_fp16.h>

extern "C" __global__ void add_bias(const __half* x, const __half* bias, float* sum, int n, int cols) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    sum[i] = __half2float(x[i]) + __half2float(bias[i % cols]);
  }
}

extern "C" __global__ void gelu(float* values, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    float v = values[i];
    values[i] = 0.5f * v * (1.0f + tanhf(0.7978845608f * (v + 0.044715f * v * v * v)));
  }
}

extern "C" __global__ void add_residual(const float* values, const __half* residual, __half* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    out[i] = __float2half_rn(values[i] + __half2float(residual[i]));
  }
}
