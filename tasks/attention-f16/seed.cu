#include <cuda_fp16.h>

extern "C" __global__ void scores(const half* q, const half* k, float* w, int seq, int dim) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  int i = blockIdx.y * blockDim.y + threadIdx.y;
  if (i >= seq || j > i) {
    return;
  }
  const half2* a = (const half2*)(q + ((size_t)blockIdx.z * seq + i) * dim);
  const half2* b = (const half2*)(k + ((size_t)blockIdx.z * seq + j) * dim);
  float sum = 0.0f;
  for (int d = 0; d < dim / 2; d++) {
    float2 x = __half22float2(a[d]);
    float2 y = __half22float2(b[d]);
    sum += x.x * y.x + x.y * y.y;
  }
  w[((size_t)blockIdx.z * seq + i) * seq + j] = sum * rsqrtf((float)dim);
}

extern "C" __global__ void softmax(float* w, int seq) {
  __shared__ float partial[256];
  int i = blockIdx.x;
  int t = threadIdx.x;
  float* row = w + ((size_t)blockIdx.y * seq + i) * seq;
  float top = -1e30f;
  for (int j = t; j <= i; j += 256) {
    top = fmaxf(top, row[j]);
  }
  partial[t] = top;
  __syncthreads();
  for (int step = 128; step > 0; step /= 2) {
    if (t < step) {
      partial[t] = fmaxf(partial[t], partial[t + step]);
    }
    __syncthreads();
  }
  top = partial[0];
  __syncthreads();
  float sum = 0.0f;
  for (int j = t; j <= i; j += 256) {
    float e = expf(row[j] - top);
    row[j] = e;
    sum += e;
  }
  partial[t] = sum;
  __syncthreads();
  for (int step = 128; step > 0; step /= 2) {
    if (t < step) {
      partial[t] += partial[t + step];
    }
    __syncthreads();
  }
  sum = partial[0];
  for (int j = t; j <= i; j += 256) {
    row[j] /= sum;
  }
}

extern "C" __global__ void weighted(const float* w, const half* v, half* o, int seq, int dim) {
  int i = blockIdx.x;
  int d = threadIdx.x;
  const float* row = w + ((size_t)blockIdx.y * seq + i) * seq;
  const half* values = v + (size_t)blockIdx.y * seq * dim;
  float sum = 0.0f;
  for (int j = 0; j <= i; j++) {
    sum += row[j] * __half2float(values[(size_t)j * dim + d]);
  }
  o[((size_t)blockIdx.y * seq + i) * dim + d] = __float2half(sum);
}
