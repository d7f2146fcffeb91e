// One thread per sample, a warp along the samples.
extern "C" __global__ void __launch_bounds__(256) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  int i = blockIdx.x * 256 + threadIdx.x;
  if (i >= n) return;
  const float* row = x + (size_t)blockIdx.y * n;
  float sum = 0.0f;
  int last = min(taps - 1, i);
#pragma unroll 8
  for (int k = 0; k <= last; ++k) sum = fmaf(__ldg(h + k), __ldg(row + i - k), sum);
  y[(size_t)blockIdx.y * n + i] = sum;
}
