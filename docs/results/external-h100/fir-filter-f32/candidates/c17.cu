
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

// The nine quarter-rate signals of a two-level split from four samples a and the four before them.
__device__ __forceinline__ void split9(float (&v)[9], float a0, float a1, float a2, float a3, float p1, float p2, float p3) {
  float e0 = p3 - a0, f0 = a1 - a0;
  v[0] = a0; v[1] = p2 - a0; v[2] = a2 - a0;
  v[3] = e0; v[4] = (p1 - p2) - e0; v[5] = (a1 - a2) - e0;
  v[6] = f0; v[7] = (p3 - p2) - f0; v[8] = (a3 - a2) - f0;
}
// The coefficient k of part j of the split of a filter whose four phases at k are g0..g3.
__device__ __forceinline__ float part9(int j, float g0, float g1, float g2, float g3) {
  int o = j / 3, i = j % 3;
  float ge = o == 0 ? g0 + g1 : o == 1 ? g1 : g0;
  float go = o == 0 ? g2 + g3 : o == 1 ? g3 : g2;
  return i == 0 ? ge + go : i == 1 ? go : ge;
}
// a0..a3: the four phases of R quarter-rate outputs (set if INIT, else added to).
template <int R, int NCH, int G, bool INIT>
__device__ __forceinline__ void ffa2(float (&a0)[R], float (&a1)[R], float (&a2)[R], float (&a3)[R], const float4* s, int stride, const float4* g) {
  float u[R], v[R];
#pragma unroll
  for (int r = 0; r < R; ++r) u[r] = 0.0f;
  fir_acc<R, NCH, G>(u, s, g);
#pragma unroll
  for (int r = 0; r < R; ++r) v[r] = u[r];
  fir_acc<R, NCH, G>(u, s + stride, g + NCH);
  fir_acc<R, NCH, G>(v, s + 2 * stride, g + 2 * NCH);
#pragma unroll
  for (int r = 0; r < R; ++r) {
    a0[r] = INIT ? u[r] : a0[r] + u[r]; a1[r] = INIT ? u[r] : a1[r] + u[r];
    a2[r] = INIT ? v[r] : a2[r] + v[r]; a3[r] = INIT ? v[r] : a3[r] + v[r];
    u[r] = 0.0f; v[r] = 0.0f;
  }
  fir_acc<R, NCH, G>(u, s + 3 * stride, g + 3 * NCH);
#pragma unroll
  for (int r = 0; r < R; ++r) { a0[r] += u[r]; a2[r] += u[r]; }
  fir_acc<R, NCH, G>(a0, s + 4 * stride, g + 4 * NCH);
  fir_acc<R, NCH, G>(a2, s + 5 * stride, g + 5 * NCH);
  fir_acc<R, NCH, G>(v, s + 6 * stride, g + 6 * NCH);
#pragma unroll
  for (int r = 0; r < R; ++r) { a1[r] += v[r]; a3[r] += v[r]; }
  fir_acc<R, NCH, G>(a1, s + 7 * stride, g + 7 * NCH);
  fir_acc<R, NCH, G>(a3, s + 8 * stride, g + 8 * NCH);
}

// Fast FIR, two levels: nine quarter-rate filters of 24 taps instead of sixteen; 12 quarter-rate outputs per thread.
extern "C" __global__ void __launch_bounds__(128, 4) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  extern __shared__ float4 smem[];
  float* sig = reinterpret_cast<float*>(smem);
  float* g = sig + 14040;
  const int t = threadIdx.x, t0 = blockIdx.x * 6144;
  const bool vec = n % 4 == 0;
  const float* row = x + (size_t)blockIdx.y * n;
  float* out = y + (size_t)blockIdx.y * n;
  for (int e = t; e < 216; e += 128) {
    int j = e / 24, k = 4 * (e % 24);
    g[e] = part9(j, k < taps ? h[k] : 0.0f, k + 1 < taps ? h[k + 1] : 0.0f, k + 2 < taps ? h[k + 2] : 0.0f, k + 3 < taps ? h[k + 3] : 0.0f);
  }
#pragma unroll 4
  for (int j = t; j < 1560; j += 128) {
    int i = t0 - 96 + 4 * j;
    float4 a = load4(row, i, n, vec), p = load4(row, i - 4, n, vec);
    float v[9];
    split9(v, a.x, a.y, a.z, a.w, p.y, p.z, p.w);
    int at = j;
#pragma unroll
    for (int b = 0; b < 9; ++b) sig[1560 * b + at] = v[b];
  }
  __syncthreads();
  float a0[12], a1[12], a2[12], a3[12];
  ffa2<12, 6, 0, true>(a0, a1, a2, a3, smem + 6 + 3 * t, 390, reinterpret_cast<const float4*>(g));
  __syncthreads();
#pragma unroll
  for (int r = 0; r < 12; ++r) smem[13 * t + r] = make_float4(a0[r], a1[r], a2[r], a3[r]);
  __syncthreads();
#pragma unroll 4
  for (int c = t; c < 1536; c += 128) store4(out, t0 + 4 * c, n, vec, smem[c + c / 12]);
}
