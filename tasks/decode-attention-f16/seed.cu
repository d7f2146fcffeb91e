#include <cuda_fp16.h>

// work holds 2 * seq floats per head: the scores first.
extern "C" __global__ void key_scores(const half* q, const half* k, float* work, int seq) {
  int pos = blockIdx.x * blockDim.x + threadIdx.x;
  int head = blockIdx.y;
  if (pos >= seq) return;
  const half* key = k + ((size_t)head * seq + pos) * 128;
  float dot = 0.0f;
  for (int d = 0; d < 128; ++d) {
    dot += __half2float(q[head * 128 + d]) * __half2float(key[d]);
  }
  work[(size_t)head * 2 * seq + pos] = dot * 0.08838835f;
}

extern "C" __global__ void exponentials(float* work, int seq) {
  __shared__ float shared[256];
  float* scores = work + (size_t)blockIdx.x * 2 * seq;
  int t = threadIdx.x;
  float best = scores[0];
  for (int pos = t; pos < seq; pos += 256) best = fmaxf(best, scores[pos]);
  shared[t] = best;
  __syncthreads();
  for (int i = 0; i < 256; ++i) best = fmaxf(best, shared[i]);
  for (int pos = t; pos < seq; pos += 256) scores[pos] = expf(scores[pos] - best);
}

extern "C" __global__ void value_sums(const float* work, const half* v, half* o, int seq) {
  const float* weights = work + (size_t)blockIdx.x * 2 * seq;
  const half* values = v + (size_t)blockIdx.x * seq * 128;
  float total = 0.0f;
  float sum = 0.0f;
  for (int pos = 0; pos < seq; ++pos) {
    total += weights[pos];
    sum += weights[pos] * __half2float(values[(size_t)pos * 128 + threadIdx.x]);
  }
  o[blockIdx.x * 128 + threadIdx.x] = __float2half(sum / total);
}
