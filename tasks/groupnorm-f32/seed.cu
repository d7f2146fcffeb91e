// A block of 64 threads per group: mean, variance, result.
__device__ float add_up(float value) {
  __shared__ float parts[64];
  __syncthreads();
  parts[threadIdx.x] = value;
  __syncthreads();
  float sum = 0.0f;
  for (int t = 0; t < 64; ++t) {
    sum += parts[t];
  }
  return sum;
}

extern "C" __global__ void groupnorm(const float* x, const float* gamma, const float* beta, float* y, int groups,
                                     int group_channels, int plane) {
  int length = group_channels * plane;
  const float* in = x + (size_t)blockIdx.x * length;
  float* out = y + (size_t)blockIdx.x * length;
  float sum = 0.0f;
  for (int i = threadIdx.x; i < length; i += 64) {
    sum += in[i];
  }
  float mean = add_up(sum) / length;
  float squares = 0.0f;
  for (int i = threadIdx.x; i < length; i += 64) {
    squares += (in[i] - mean) * (in[i] - mean);
  }
  float variance = add_up(squares) / length;
  for (int i = threadIdx.x; i < length; i += 64) {
    int channel = blockIdx.x % groups * group_channels + i / plane;
    out[i] = (in[i] - mean) / sqrtf(variance + 1e-5f) * gamma[channel] + beta[channel];
  }
}
