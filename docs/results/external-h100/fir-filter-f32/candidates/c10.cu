
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

// Two channels of 12 outputs per thread: a tap load serves 24 outputs.
extern "C" __global__ void __launch_bounds__(128, 6) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  __shared__ float4 xs[2][408];
  __shared__ float4 hs[24];
  const int t = threadIdx.x, t0 = blockIdx.x * 1536, ch = blockIdx.y * 2;
  const bool vec = n % 4 == 0;
  const bool two = ch + 1 < channels;
  const float* row = x + (size_t)ch * n;
  float* out = y + (size_t)ch * n;
  if (t < 96) reinterpret_cast<float*>(hs)[t] = t < taps ? h[t] : 0.0f;
#pragma unroll
  for (int c = t; c < 408; c += 128) {
    xs[0][c] = load4(row, t0 - 96 + 4 * c, n, vec);
    xs[1][c] = two ? load4(row + n, t0 - 96 + 4 * c, n, vec) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  }
  __syncthreads();
  float acc[2][12], w[2][16];
#pragma unroll
  for (int b = 0; b < 2; ++b) {
#pragma unroll
    for (int r = 0; r < 12; ++r) acc[b][r] = 0.0f;
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      float4 v = xs[b][24 + 3 * t + c];
      w[b][4 * c] = v.x; w[b][4 * c + 1] = v.y; w[b][4 * c + 2] = v.z; w[b][4 * c + 3] = v.w;
    }
  }
#pragma unroll 8
  for (int s = 0; s < 24; ++s) {
    float4 hv = hs[s];
    const float hq[4] = {hv.x, hv.y, hv.z, hv.w};
#pragma unroll
    for (int b = 0; b < 2; ++b) {
      float4 v = xs[b][23 + 3 * t - s];
      w[b][12] = v.x; w[b][13] = v.y; w[b][14] = v.z; w[b][15] = v.w;
#pragma unroll
      for (int q = 0; q < 4; ++q)
#pragma unroll
        for (int r = 0; r < 12; ++r) acc[b][r] = fmaf(hq[q], w[b][(r - q + 16) & 15], acc[b][r]);
#pragma unroll
      for (int e = 11; e >= 4; --e) w[b][e] = w[b][e - 4];
#pragma unroll
      for (int e = 0; e < 4; ++e) w[b][e] = w[b][12 + e];
    }
  }
  __syncthreads();
#pragma unroll
  for (int b = 0; b < 2; ++b)
#pragma unroll
    for (int c = 0; c < 3; ++c) xs[b][3 * t + c] = make_float4(acc[b][4 * c], acc[b][4 * c + 1], acc[b][4 * c + 2], acc[b][4 * c + 3]);
  __syncthreads();
#pragma unroll
  for (int c = t; c < 384; c += 128) {
    store4(out, t0 + 4 * c, n, vec, xs[0][c]);
    if (two) store4(out + n, t0 + 4 * c, n, vec, xs[1][c]);
  }
}
