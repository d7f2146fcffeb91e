
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

// The taps lie in registers, 24 per lane of a group of 4; a group reduces four outputs by three shuffles.
extern "C" __global__ void __launch_bounds__(128, 6) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  __shared__ float4 xs[1144];
  __shared__ __align__(16) float os[4480];
  const int t = threadIdx.x, t0 = blockIdx.x * 4480, q = t & 3, g = t >> 2;
  const bool vec = n % 4 == 0;
  const float* row = x + (size_t)blockIdx.y * n;
  float* out = y + (size_t)blockIdx.y * n;
  float hr[24];
#pragma unroll
  for (int k = 0; k < 24; ++k) hr[k] = 24 * q + k < taps ? __ldg(h + 24 * q + k) : 0.0f;
#pragma unroll
  for (int c = t; c < 1144; c += 128) xs[c] = load4(row, t0 - 96 + 4 * c, n, vec);
  __syncthreads();
  const float4* p = xs + 24 + 35 * g - 6 * q;
  float w[28];
#pragma unroll
  for (int c = 0; c < 6; ++c) {
    float4 v = p[c - 6];
    w[4 * c + 4] = v.x; w[4 * c + 5] = v.y; w[4 * c + 6] = v.z; w[4 * c + 7] = v.w;
  }
#pragma unroll 1
  for (int o = 0; o < 35; o += 7) {
#pragma unroll
    for (int u = 0; u < 7; ++u) {
      float4 v = p[o + u];
      w[4 * u] = v.x; w[4 * u + 1] = v.y; w[4 * u + 2] = v.z; w[4 * u + 3] = v.w;
      float z[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
      for (int k = 0; k < 24; ++k)
#pragma unroll
        for (int r = 0; r < 4; ++r) z[r] = fmaf(hr[k], w[(4 * u + r - k + 28) % 28], z[r]);
      float a = (q & 1) ? z[1] : z[0], b = (q & 1) ? z[3] : z[2];
      a += __shfl_xor_sync(0xffffffffu, (q & 1) ? z[0] : z[1], 1);
      b += __shfl_xor_sync(0xffffffffu, (q & 1) ? z[2] : z[3], 1);
      float d = (q & 2) ? b : a;
      d += __shfl_xor_sync(0xffffffffu, (q & 2) ? a : b, 2);
      os[140 * g + 4 * (o + u) + q] = d;
    }
  }
  __syncthreads();
#pragma unroll
  for (int c = t; c < 1120; c += 128) store4(out, t0 + 4 * c, n, vec, reinterpret_cast<const float4*>(os)[c]);
}
