#include <cuda_bf16.h>

// One thread computes one row.
extern "C" __global__ void masked_softmax(const __nv_bfloat16* x, const int* lengths, __nv_bfloat16* y, int heads, int seq) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= heads * seq) return;
  int visible = min(row % seq + 1, lengths[row / seq]);
  const __nv_bfloat16* scores = x + (size_t)row * seq;
  float top = __bfloat162float(scores[0]);
  for (int c = 1; c < visible; ++c) top = fmaxf(top, __bfloat162float(scores[c]));
  float sum = 0.0f;
  for (int c = 0; c < visible; ++c) sum += expf(__bfloat162float(scores[c]) - top);
  for (int c = 0; c < seq; ++c) {
    float value = c < visible ? expf(__bfloat162float(scores[c]) - top) / sum : 0.0f;
    y[(size_t)row * seq + c] = __float2bfloat16(value);
  }
}
