// Samples and taps in shared memory, 4 strided outputs per thread so that a tap load serves 4 multiply-adds.
extern "C" __global__ void __launch_bounds__(256) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  __shared__ float xs[1024 + 96];
  __shared__ float hs[96];
  const int t = threadIdx.x, t0 = blockIdx.x * 1024;
  const float* row = x + (size_t)blockIdx.y * n;
  if (t < 96) hs[t] = t < taps ? h[t] : 0.0f;
  for (int j = t; j < 1024 + 96; j += 256) {
    int i = t0 - 96 + j;
    xs[j] = i >= 0 && i < n ? row[i] : 0.0f;
  }
  __syncthreads();
  float a0 = 0.0f, a1 = 0.0f, a2 = 0.0f, a3 = 0.0f;
#pragma unroll 16
  for (int k = 0; k < 96; ++k) {
    float c = hs[k];
    const float* p = xs + 96 + t - k;
    a0 = fmaf(c, p[0], a0); a1 = fmaf(c, p[256], a1); a2 = fmaf(c, p[512], a2); a3 = fmaf(c, p[768], a3);
  }
  float* out = y + (size_t)blockIdx.y * n;
  int i = t0 + t;
  if (i < n) out[i] = a0;
  if (i + 256 < n) out[i + 256] = a1;
  if (i + 512 < n) out[i + 512] = a2;
  if (i + 768 < n) out[i + 768] = a3;
}
