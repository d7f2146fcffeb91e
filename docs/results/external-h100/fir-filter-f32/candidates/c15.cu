
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

// Fast FIR, one level: even outputs P + E, odd outputs P + F with P = (h0 + h1) * x0, E = h1 * (x1 delayed - x0),
// F = h0 * (x1 - x0): three half-rate filters of 48 taps instead of four. 12 half-rate outputs per thread.
extern "C" __global__ void __launch_bounds__(128, 6) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  extern __shared__ float4 smem[];
  float* sig = reinterpret_cast<float*>(smem);
  float* g = sig + 4752;
  const int t = threadIdx.x, t0 = blockIdx.x * 3072;
  const bool vec = n % 4 == 0;
  const float* row = x + (size_t)blockIdx.y * n;
  float* out = y + (size_t)blockIdx.y * n;
  for (int k = t; k < 48; k += 128) {
    float a = 2 * k < taps ? h[2 * k] : 0.0f, b = 2 * k + 1 < taps ? h[2 * k + 1] : 0.0f;
    g[k] = a + b; g[48 + k] = b; g[96 + k] = a;
  }
#pragma unroll 4
  for (int c = t; c < 792; c += 128) {
    int i = t0 - 96 + 4 * c;
    float4 a = load4(row, i, n, vec);
    float p = i >= 1 && i - 1 < n ? __ldg(row + i - 1) : 0.0f;
    *reinterpret_cast<float2*>(sig + 2 * c) = make_float2(a.x, a.z);
    *reinterpret_cast<float2*>(sig + 1584 + 2 * c) = make_float2(p - a.x, a.y - a.z);
    *reinterpret_cast<float2*>(sig + 3168 + 2 * c) = make_float2(a.y - a.x, a.w - a.z);
  }
  __syncthreads();
  const float4* s = smem + 12 + 3 * t;
  const float4* gs = reinterpret_cast<const float4*>(g);
  float e[12], o[12];
#pragma unroll
  for (int r = 0; r < 12; ++r) e[r] = 0.0f;
  fir_acc<12, 12, 0>(e, s, gs);
#pragma unroll
  for (int r = 0; r < 12; ++r) o[r] = e[r];
  fir_acc<12, 12, 0>(e, s + 396, gs + 12);
  fir_acc<12, 12, 0>(o, s + 792, gs + 24);
  __syncthreads();
#pragma unroll
  for (int c = 0; c < 6; ++c) smem[7 * t + c] = make_float4(e[2 * c], o[2 * c], e[2 * c + 1], o[2 * c + 1]);
  __syncthreads();
#pragma unroll 5
  for (int c = t; c < 768; c += 128) store4(out, t0 + 4 * c, n, vec, smem[c + c / 6]);
}
