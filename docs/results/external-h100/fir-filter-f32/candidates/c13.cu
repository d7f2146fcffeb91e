
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

// No sample in shared memory: a warp streams along a channel, 8 samples a lane, and gets older groups by shuffles.
extern "C" __global__ void __launch_bounds__(128, 6) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  __shared__ float4 hs[24];
  const int t = threadIdx.x, lane = t & 31;
  const bool vec = n % 4 == 0;
  if (t < 96) reinterpret_cast<float*>(hs)[t] = t < taps ? h[t] : 0.0f;
  __syncthreads();
  const float* row = x + (size_t)blockIdx.y * n;
  float* out = y + (size_t)blockIdx.y * n;
  int at = (blockIdx.x * 4 + (t >> 5)) * 2048 + 8 * lane;
  float prev[8], cur[8];
  {
    float4 a = load4(row, at - 256, n, vec), b = load4(row, at - 252, n, vec);
    prev[0] = a.x; prev[1] = a.y; prev[2] = a.z; prev[3] = a.w; prev[4] = b.x; prev[5] = b.y; prev[6] = b.z; prev[7] = b.w;
  }
  float4 na = load4(row, at, n, vec), nb = load4(row, at + 4, n, vec);
#pragma unroll 1
  for (int b = 0; b < 8; ++b, at += 256) {
    cur[0] = na.x; cur[1] = na.y; cur[2] = na.z; cur[3] = na.w; cur[4] = nb.x; cur[5] = nb.y; cur[6] = nb.z; cur[7] = nb.w;
    if (b < 7) { na = load4(row, at + 256, n, vec); nb = load4(row, at + 260, n, vec); }
    float acc[8], w[16];
#pragma unroll
    for (int r = 0; r < 8; ++r) { acc[r] = 0.0f; w[r] = cur[r]; }
#pragma unroll
    for (int j = 0; j < 12; ++j) {
      const int lo = (j & 1) ? 0 : 8, hi = 8 - lo;  // where the group of lane - j - 1 goes; hi: the group of lane - j
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        float v = lane + j + 1 >= 32 ? prev[e] : cur[e];
        w[lo + e] = __shfl_sync(0xffffffffu, v, (lane - j - 1) & 31);
      }
      float4 h0 = hs[2 * j], h1 = hs[2 * j + 1];
      const float hq[8] = {h0.x, h0.y, h0.z, h0.w, h1.x, h1.y, h1.z, h1.w};
#pragma unroll
      for (int q = 0; q < 8; ++q)
#pragma unroll
        for (int r = 0; r < 8; ++r) acc[r] = fmaf(hq[q], r >= q ? w[hi + r - q] : w[lo + 8 + r - q], acc[r]);
    }
    store4(out, at, n, vec, make_float4(acc[0], acc[1], acc[2], acc[3]));
    store4(out, at + 4, n, vec, make_float4(acc[4], acc[5], acc[6], acc[7]));
#pragma unroll
    for (int e = 0; e < 8; ++e) prev[e] = cur[e];
  }
}
