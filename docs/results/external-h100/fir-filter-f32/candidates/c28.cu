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

//ASM-BEGIN
// 16 bytes to shared memory, zeros where !in (nothing is read then).
__device__ __forceinline__ void cp_async16(void* s, const void* g, bool in) {
  unsigned a = (unsigned)__cvta_generic_to_shared(s);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(a), "l"(g), "r"(in ? 16 : 0) : "memory");
}
__device__ __forceinline__ void cp_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> __device__ __forceinline__ void cp_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
//ASM-END

constexpr __host__ __device__ int floordiv(int a, int b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

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

// Chunks out[0..6) of a thread whose own first chunk is p[0] (a pad chunk after every 6).
__device__ __forceinline__ void core(float4 (&out)[6], const float4* p, const float4* hs) {
  float acc[9][6], w[9][6];
  float4 a = p[-2], b = a;
#pragma unroll
  for (int c = 0; c < 6; ++c) {
    float4 v = p[c];
    float z[9];
    split9(z, v.x, v.y, v.z, v.w, b.y, b.z, b.w);
#pragma unroll
    for (int f = 0; f < 9; ++f) { w[f][c] = z[f]; acc[f][c] = 0.0f; }
    b = v;
  }
  {
#pragma unroll
    for (int u = 0; u < 24; ++u) {
      float4 q = p[-2 - u + floordiv(-2 - u, 6)];
      float4 h0 = hs[3 * u], h1 = hs[3 * u + 1];
      const float t[9] = {h0.x, h0.y, h0.z, h0.w, h1.x, h1.y, h1.z, h1.w, hs[3 * u + 2].x};
#pragma unroll
      for (int f = 0; f < 9; ++f)
#pragma unroll
        for (int r = 0; r < 6; ++r) acc[f][r] = fmaf(t[f], w[f][(r - u + 60) % 6], acc[f][r]);
      float z[9];
      split9(z, a.x, a.y, a.z, a.w, q.y, q.z, q.w);
#pragma unroll
      for (int f = 0; f < 9; ++f) w[f][(5 - u + 60) % 6] = z[f];
      a = q;
    }
  }
#pragma unroll
  for (int c = 0; c < 6; ++c) {
    float u = acc[0][c] + acc[1][c], v = acc[0][c] + acc[2][c];
    out[c] = make_float4(u + (acc[3][c] + acc[4][c]), u + (acc[6][c] + acc[7][c]), v + (acc[3][c] + acc[5][c]), v + (acc[6][c] + acc[8][c]));
  }
}

// One tile of a channel (with 24 chunks of history) into shared memory, asynchronously.
__device__ __forceinline__ void fetch(float4* buf, const float* __restrict__ x, int tile, int per, int n, bool vec, int l) {
  int ch = tile / per, from = (tile - ch * per) * 3072 - 96;
  const float* row = x + (size_t)ch * n;
  if (vec) {
#pragma unroll 4
    for (int c = l; c < 792; c += 128) {
      int i = from + 4 * c;
      bool in = i >= 0 && i < n;
      cp_async16(buf + c + c / 6, row + (in ? i : 0), in);
    }
  } else {
#pragma unroll 1
    for (int c = l; c < 792; c += 128) buf[c + c / 6] = load4(row, from + 4 * c, n, false);
  }
}
// Two-level fast FIR, the nine difference signals formed in registers from one float4 of samples per step; 24 outputs per thread.
// Persistent blocks, 2 buffers filled by cp.async.
extern "C" __global__ void __launch_bounds__(128, 4) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  extern __shared__ float4 smem[];
  const int t = threadIdx.x;
  const bool vec = n % 4 == 0;
  for (int e = t; e < 216; e += 128) {
    int j = e / 24, k = 4 * (e % 24);
    reinterpret_cast<float*>(smem)[12 * (e % 24) + j] = part9(j, k < taps ? h[k] : 0.0f, k + 1 < taps ? h[k + 1] : 0.0f, k + 2 < taps ? h[k + 2] : 0.0f, k + 3 < taps ? h[k + 3] : 0.0f);
  }
  const int l = t;
  float4* bufs = smem + 72;
  const int per = (n + 3071) / 3072, total = per * channels, step = gridDim.x;
  int tile = blockIdx.x;
  if (tile + 0 * step < total) fetch(bufs + 0 * 924, x, tile + 0 * step, per, n, vec, l);
  cp_commit();
  int at = 0;
#pragma unroll 1
  for (; tile < total; tile += step) {
    float4* buf = bufs + at * 924;
    cp_wait<0>();
    __syncthreads();
    {
      int to = at + 1;
      to = to >= 2 ? to - 2 : to;
      int next = tile + 1 * step;
      if (next < total) fetch(bufs + to * 924, x, next, per, n, vec, l);
      cp_commit();
    }
    float4 out[6];
    core(out, buf + 28 + 7 * l, smem);
    const int ch = tile / per, t0 = (tile - ch * per) * 3072;
    float* dst = y + (size_t)ch * n;
    __syncthreads();
#pragma unroll
    for (int c = 0; c < 6; ++c) buf[7 * l + c] = out[c];
    __syncthreads();
#pragma unroll
    for (int e = 0; e < 6; ++e) {
      int c = l + 128 * e;
      store4(dst, t0 + 4 * c, n, vec, buf[c + c / 6]);
    }
    at = at + 1 == 2 ? 0 : at + 1;
  }
}
