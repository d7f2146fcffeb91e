__device__ float normal_cdf(float z) {
  return 0.5f * erfcf(-z * sqrtf(0.5f));
}

__device__ float call_price(float spot, float strike, float years, float vol, float rate) {
  float d1 = (logf(spot / strike) + (rate + 0.5f * vol * vol) * years) / (vol * sqrtf(years));
  float d2 = d1 - vol * sqrtf(years);
  return spot * normal_cdf(d1) - strike * expf(-rate * years) * normal_cdf(d2);
}

// One thread per option.
extern "C" __global__ void revalue(const float* book, const float* shocks, float* mean, float* worst, int n,
                                   int scenarios, float rate) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float sum = 0.0f;
  float least = 1.0e30f;
  for (int s = 0; s < scenarios; ++s) {
    float value = call_price(book[4 * i] * shocks[2 * s], book[4 * i + 1], book[4 * i + 2],
                             book[4 * i + 3] + shocks[2 * s + 1], rate);
    sum += value;
    least = fminf(least, value);
  }
  mean[i] = sum / scenarios;
  worst[i] = least;
}
