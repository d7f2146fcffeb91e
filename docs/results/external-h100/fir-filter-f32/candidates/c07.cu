
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

constexpr __host__ __device__ int floordiv(int a, int b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
// acc[r] += sum_k h[k] x[base + r - k] over 4 * NCH taps; xs points to the chunk of base. G > 0: one pad chunk after every G.
template <int R, int NCH, int G>
__device__ __forceinline__ void fir_acc(float (&acc)[R], const float4* xs, const float4* hs) {
  constexpr int W = R + 4;
  float w[W];
#pragma unroll
  for (int c = 0; c < R / 4; ++c) {
    float4 v = xs[G > 0 ? c + floordiv(c, G > 0 ? G : 1) : c];
    w[4 * c] = v.x; w[4 * c + 1] = v.y; w[4 * c + 2] = v.z; w[4 * c + 3] = v.w;
  }
#pragma unroll
  for (int s = 0; s < NCH; ++s) {
    const int c = -1 - s;
    float4 v = xs[G > 0 ? c + floordiv(c, G > 0 ? G : 1) : c];
    const int slot = ((4 * c) % W + W) % W;
    w[slot] = v.x; w[slot + 1] = v.y; w[slot + 2] = v.z; w[slot + 3] = v.w;
    float4 hv = hs[s];
    const float hq[4] = {hv.x, hv.y, hv.z, hv.w};
#pragma unroll
    for (int q = 0; q < 4; ++q)
#pragma unroll
      for (int r = 0; r < R; ++r) acc[r] = fmaf(hq[q], w[(((r - q - 4 * s) % W) + W) % W], acc[r]);
  }
}

// 8 consecutive outputs per thread in a sliding register window; tile of 2048 samples in shared memory.
extern "C" __global__ void __launch_bounds__(256, 5) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  __shared__ float4 xs[805];
  __shared__ float4 hs[24];
  const int t = threadIdx.x, t0 = blockIdx.x * 2048;
  const bool vec = n % 4 == 0;
  const float* row = x + (size_t)blockIdx.y * n;
  float* out = y + (size_t)blockIdx.y * n;
  for (int k = t; k < 96; k += 256) reinterpret_cast<float*>(hs)[k] = k < taps ? h[k] : 0.0f;
#pragma unroll 8
  for (int c = t; c < 536; c += 256) xs[(c) + (c) / 2] = load4(row, t0 - 96 + 4 * c, n, vec);
  __syncthreads();
  float acc[8];
#pragma unroll
  for (int r = 0; r < 8; ++r) acc[r] = 0.0f;
  fir_acc<8, 24, 2>(acc, xs + 36 + 3 * t, hs);
  __syncthreads();
#pragma unroll
  for (int c = 0; c < 2; ++c) xs[3 * t + c] = make_float4(acc[4 * c], acc[4 * c + 1], acc[4 * c + 2], acc[4 * c + 3]);
  __syncthreads();
#pragma unroll
  for (int c = t; c < 512; c += 256) store4(out, t0 + 4 * c, n, vec, xs[(c) + (c) / 2]);
}
