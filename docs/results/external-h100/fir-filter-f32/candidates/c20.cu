
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

// Fast FIR, two levels, split in blocks instead of phases: outputs i, i+24, i+48, i+72 share their products; a thread
// owns 96 consecutive outputs. Samples x and differences d[j] = x[j] - x[j-24] in shared memory, a pad chunk every 24.
template <int KIND> __device__ __forceinline__ float4 sample(const float4* xs, const float4* ds, int c) {
  if (KIND == 0) return xs[c + floordiv(c, 24)];
  if (KIND == 1) return ds[c + floordiv(c, 24)];
  const float4* s = KIND == 2 ? xs : ds;
  float4 a = s[c + floordiv(c, 24)], b = s[c - 12 + floordiv(c - 12, 24)];
  return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
}
template <int KIND, int AT> __device__ __forceinline__ void leaf(float (&acc)[24], const float4* xs, const float4* ds, const float4* g) {
  float w[28];
#pragma unroll
  for (int c = 0; c < 6; ++c) {
    float4 v = sample<KIND>(xs, ds, AT + c);
    w[4 * c] = v.x; w[4 * c + 1] = v.y; w[4 * c + 2] = v.z; w[4 * c + 3] = v.w;
  }
#pragma unroll
  for (int s = 0; s < 6; ++s) {
    float4 v = sample<KIND>(xs, ds, AT - 1 - s);
    const int slot = 24 - 4 * s;
    w[slot] = v.x; w[slot + 1] = v.y; w[slot + 2] = v.z; w[slot + 3] = v.w;
    float4 hv = g[s];
    const float hq[4] = {hv.x, hv.y, hv.z, hv.w};
#pragma unroll
    for (int q = 0; q < 4; ++q)
#pragma unroll
      for (int r = 0; r < 24; ++r) acc[r] = fmaf(hq[q], w[(r - q - 4 * s + 56) % 28], acc[r]);
  }
}
extern "C" __global__ void __launch_bounds__(64, 4) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  extern __shared__ float4 smem[];
  float4* ds0 = smem + 1625;
  float* g = reinterpret_cast<float*>(smem + 3250);
  const int t = threadIdx.x, t0 = blockIdx.x * 6144;
  const bool vec = n % 4 == 0;
  const float* row = x + (size_t)blockIdx.y * n;
  float* out = y + (size_t)blockIdx.y * n;
  for (int e = t; e < 24; e += 64) {
    float q[4];
#pragma unroll
    for (int b = 0; b < 4; ++b) q[b] = 24 * b + e < taps ? h[24 * b + e] : 0.0f;
    float lo = q[0] + q[2], hi = q[1] + q[3];
    g[e] = lo + hi; g[24 + e] = -hi; g[48 + e] = lo;
    g[72 + e] = -(q[2] + q[3]); g[96 + e] = q[3]; g[120 + e] = -q[2];
    g[144 + e] = q[0] + q[1]; g[168 + e] = -q[1]; g[192 + e] = q[0];
  }
#pragma unroll 4
  for (int c = t; c < 1560; c += 64) {
    int i = t0 - 96 + 4 * c;
    float4 a = load4(row, i, n, vec), b = load4(row, i - 24, n, vec);
    smem[c + c / 24] = a;
    ds0[c + c / 24] = make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
  }
  __syncthreads();
  const float4* xs = smem + 25 * (t + 1);
  const float4* ds = ds0 + 25 * (t + 1);
  const float4* gs = reinterpret_cast<const float4*>(g);
  float a0[24], a1[24], a2[24], a3[24];
#pragma unroll
  for (int r = 0; r < 24; ++r) a0[r] = 0.0f;
  leaf<0, 0>(a0, xs, ds, gs);
#pragma unroll
  for (int r = 0; r < 24; ++r) a1[r] = a0[r];
  leaf<1, 0>(a0, xs, ds, gs + 6);
  leaf<1, 6>(a1, xs, ds, gs + 12);
  float u[24];
#pragma unroll
  for (int r = 0; r < 24; ++r) { a2[r] = a0[r]; a3[r] = a1[r]; u[r] = 0.0f; }
  leaf<2, 0>(u, xs, ds, gs + 18);
#pragma unroll
  for (int r = 0; r < 24; ++r) { a0[r] += u[r]; a1[r] += u[r]; u[r] = 0.0f; }
  leaf<3, 0>(a0, xs, ds, gs + 24);
  leaf<3, 6>(a1, xs, ds, gs + 30);
  leaf<2, 12>(u, xs, ds, gs + 36);
#pragma unroll
  for (int r = 0; r < 24; ++r) { a2[r] += u[r]; a3[r] += u[r]; }
  leaf<3, 12>(a2, xs, ds, gs + 42);
  leaf<3, 18>(a3, xs, ds, gs + 48);
  __syncthreads();
#pragma unroll
  for (int c = 0; c < 6; ++c) {
    smem[25 * t + c] = make_float4(a0[4 * c], a0[4 * c + 1], a0[4 * c + 2], a0[4 * c + 3]);
    smem[25 * t + 6 + c] = make_float4(a1[4 * c], a1[4 * c + 1], a1[4 * c + 2], a1[4 * c + 3]);
    smem[25 * t + 12 + c] = make_float4(a2[4 * c], a2[4 * c + 1], a2[4 * c + 2], a2[4 * c + 3]);
    smem[25 * t + 18 + c] = make_float4(a3[4 * c], a3[4 * c + 1], a3[4 * c + 2], a3[4 * c + 3]);
  }
  __syncthreads();
#pragma unroll 4
  for (int c = t; c < 1536; c += 64) store4(out, t0 + 4 * c, n, vec, smem[c + c / 24]);
}
