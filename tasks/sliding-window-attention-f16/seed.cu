#include <cuda_fp16.h>

// One block of 64 threads per query and head.
extern "C" __global__ void window_attention(const half* q, const half* k, const half* v, half* out, int heads, int kv_heads, int window) {
  extern __shared__ float score[];
  int i = blockIdx.x;
  int h = blockIdx.y;
  int kv = h / (heads / kv_heads);
  int first = i - window + 1 < 0 ? 0 : i - window + 1;
  int count = i - first + 1;
  for (int t = threadIdx.x; t < count; t += 64) {
    float sum = 0.0f;
    for (int d = 0; d < 64; d++) {
      float a = __half2float(q[((size_t)i * heads + h) * 64 + d]);
      float b = __half2float(k[((size_t)(first + t) * kv_heads + kv) * 64 + d]);
      sum += a * b;
    }
    score[t] = sum / 8.0f;
  }
  __syncthreads();
  float top = score[0];
  for (int t = 1; t < count; t++) {
    top = fmaxf(top, score[t]);
  }
  float total = 0.0f;
  float value = 0.0f;
  for (int t = 0; t < count; t++) {
    float e = expf(score[t] - top);
    total += e;
    value += e * __half2float(v[((size_t)(first + t) * kv_heads + kv) * 64 + threadIdx.x]);
  }
  out[((size_t)i * heads + h) * 64 + threadIdx.x] = __float2half(value / total);
}
