
// Four samples of a channel at index i (a multiple of 4), zero outside [0, n).
__device__ __forceinline__ float4 load4(const float* __restrict__ row, int i, int n, bool vec) {
  float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  if (vec) {
    if (i >= 0 && i < n) v = __ldg(reinterpret_cast<const float4*>(row + i));
  } else {
    if (i >= 0 && i < n) v.x = __ldg(row + i);
    if (i + 1 >= 0 && i + 1 < n) v.y = __ldg(row + i + 1);
    if (i + 2 >= 0 && i + 2 < n) v.z = __ldg(row + i + 2);
    if (i + 3 >= 0 && i + 3 < n) v.w = __ldg(row + i + 3);
  }
  return v;
}
__device__ __forceinline__ void store4(float* __restrict__ row, int i, int n, bool vec, float4 v) {
  if (vec) {
    if (i < n) *reinterpret_cast<float4*>(row + i) = v;
  } else {
    if (i < n) row[i] = v.x;
    if (i + 1 < n) row[i + 1] = v.y;
    if (i + 2 < n) row[i + 2] = v.z;
    if (i + 3 < n) row[i + 3] = v.w;
  }
}

template <bool EDGE>
__device__ __forceinline__ void run(float (&acc)[12], const float* row, const float4* hs, int base, int n, bool vec) {
  float w[16];
#pragma unroll
  for (int c = 0; c < 3; ++c) {
    float4 v = EDGE ? load4(row, base + 4 * c, n, vec) : __ldg(reinterpret_cast<const float4*>(row + base) + c);
    w[4 * c] = v.x; w[4 * c + 1] = v.y; w[4 * c + 2] = v.z; w[4 * c + 3] = v.w;
  }
#pragma unroll 1
  for (int o = 0; o < 24; o += EDGE ? 4 : 8) {
#pragma unroll
    for (int u = 0; u < (EDGE ? 4 : 8); ++u) {
      int at = base - 4 - 4 * (o + u);
      float4 v = EDGE ? load4(row, at, n, vec) : __ldg(reinterpret_cast<const float4*>(row + at));
      const int slot = 12 - 4 * (u & 3);
      w[slot] = v.x; w[slot + 1] = v.y; w[slot + 2] = v.z; w[slot + 3] = v.w;
      float4 hv = hs[o + u];
      const float hq[4] = {hv.x, hv.y, hv.z, hv.w};
#pragma unroll
      for (int q = 0; q < 4; ++q)
#pragma unroll
        for (int r = 0; r < 12; ++r) acc[r] = fmaf(hq[q], w[(r - q - 4 * u + 64) & 15], acc[r]);
    }
  }
}

// No shared tile: the sliding window is read straight through L1; only the taps lie in shared memory.
extern "C" __global__ void __launch_bounds__(128, 8) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  __shared__ float4 hs[24];
  const int t = threadIdx.x, t0 = blockIdx.x * 1536;
  const bool vec = n % 4 == 0;
  const float* row = x + (size_t)blockIdx.y * n;
  float* out = y + (size_t)blockIdx.y * n;
  if (t < 96) reinterpret_cast<float*>(hs)[t] = t < taps ? h[t] : 0.0f;
  __syncthreads();
  float acc[12];
#pragma unroll
  for (int r = 0; r < 12; ++r) acc[r] = 0.0f;
  if (vec && t0 >= 96 && t0 + 1536 <= n) run<false>(acc, row, hs, t0 + 12 * t, n, vec);
  else run<true>(acc, row, hs, t0 + 12 * t, n, vec);
#pragma unroll
  for (int c = 0; c < 3; ++c) store4(out, t0 + 12 * t + 4 * c, n, vec, make_float4(acc[4 * c], acc[4 * c + 1], acc[4 * c + 2], acc[4 * c + 3]));
}
