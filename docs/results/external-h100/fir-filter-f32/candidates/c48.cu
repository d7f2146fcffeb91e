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

// The three signals of a pass at a chunk v whose predecessor is b.
template <int PASS> __device__ __forceinline__ void split3(float& s0, float& s1, float& s2, float4 v, float4 b) {
  if (PASS == 0) { s0 = v.x; s1 = b.z - v.x; s2 = v.z - v.x; }
  if (PASS == 1) { s0 = b.w - v.x; s1 = (b.y - b.z) - (b.w - v.x); s2 = (v.y - v.z) - (b.w - v.x); }
  if (PASS == 2) { s0 = v.y - v.x; s1 = (b.w - b.z) - (v.y - v.x); s2 = (v.w - v.z) - (v.y - v.x); }
}
// p0[r] += f0 + f1, p1[r] += f0 + f2 for the three filters of a pass; p: the thread's chunks, a pad chunk after every 8.
template <int PASS> __device__ __forceinline__ void pass(float (&p0)[8], float (&p1)[8], const float4* p, const float4* hs) {
  float f0[8], w[3][8];
  float4 a = p[-2], b = a;
#pragma unroll
  for (int c = 0; c < 8; ++c) {
    float4 v = p[c];
    split3<PASS>(w[0][c], w[1][c], w[2][c], v, b);
    f0[c] = 0.0f;
    b = v;
  }
#pragma unroll 1
  for (int g = 0; g < 3; ++g) {
    p -= 9;
#pragma unroll
    for (int u = 0; u < 8; ++u) {
      float4 q = p[u < 7 ? 6 - u : -2];
      float4 hv = hs[3 * u + PASS];
#pragma unroll
      for (int r = 0; r < 8; ++r) f0[r] = fmaf(hv.x, w[0][(r - u + 8) & 7], f0[r]);
#pragma unroll
      for (int r = 0; r < 8; ++r) p0[r] = fmaf(hv.y, w[1][(r - u + 8) & 7], p0[r]);
#pragma unroll
      for (int r = 0; r < 8; ++r) p1[r] = fmaf(hv.z, w[2][(r - u + 8) & 7], p1[r]);
      split3<PASS>(w[0][7 - u], w[1][7 - u], w[2][7 - u], a, q);
      a = q;
    }
    hs += 24;
  }
#pragma unroll
  for (int r = 0; r < 8; ++r) { p0[r] += f0[r]; p1[r] += f0[r]; }
}
__device__ __forceinline__ void core(float4 (&out)[8], const float4* p, const float4* hs) {
  float u[8], v[8], a0[8], a2[8];
#pragma unroll
  for (int r = 0; r < 8; ++r) { u[r] = 0.0f; v[r] = 0.0f; }
  pass<0>(u, v, p, hs);
#pragma unroll
  for (int r = 0; r < 8; ++r) { a0[r] = u[r]; a2[r] = v[r]; }
  pass<1>(a0, a2, p, hs);
  pass<2>(u, v, p, hs);
#pragma unroll
  for (int r = 0; r < 8; ++r) out[r] = make_float4(a0[r], u[r], a2[r], v[r]);
}

// One tile of a channel (with 24 chunks of history) into shared memory, asynchronously.
__device__ __forceinline__ void fetch(float4* buf, const float* __restrict__ x, int tile, int per, int n, bool vec, int l) {
  int ch = tile / per, from = (tile - ch * per) * 4096 - 96;
  const float* row = x + (size_t)ch * n;
  if (vec) {
#pragma unroll 4
    for (int c = l; c < 1048; c += 128) {
      int i = from + 4 * c;
      bool in = i >= 0 && i < n;
      cp_async16(buf + c + c / 8, row + (in ? i : 0), in);
    }
  } else {
#pragma unroll 1
    for (int c = l; c < 1048; c += 128) buf[c + c / 8] = load4(row, from + 4 * c, n, false);
  }
}
// Two-level fast FIR, three passes of three filters whose signals are formed in registers from the raw tile; 32 outputs per thread.
// Persistent blocks, 2 buffers filled by cp.async.
extern "C" __global__ void __launch_bounds__(128, 4) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  extern __shared__ float4 smem[];
  const int t = threadIdx.x;
  const bool vec = n % 4 == 0;
  for (int e = t; e < 216; e += 128) {
    int j = e / 24, k = 4 * (e % 24);
    reinterpret_cast<float*>(smem)[12 * (e % 24) + 4 * (j / 3) + j % 3] = part9(j, k < taps ? h[k] : 0.0f, k + 1 < taps ? h[k + 1] : 0.0f, k + 2 < taps ? h[k + 2] : 0.0f, k + 3 < taps ? h[k + 3] : 0.0f);
  }
  const int l = t;
  float4* bufs = smem + 72;
  const int per = (n + 4095) / 4096, total = per * channels, step = gridDim.x;
  int tile = blockIdx.x;
  if (tile + 0 * step < total) fetch(bufs + 0 * 1179, x, tile + 0 * step, per, n, vec, l);
  cp_commit();
  int at = 0;
#pragma unroll 1
  for (; tile < total; tile += step) {
    float4* buf = bufs + at * 1179;
    cp_wait<0>();
    __syncthreads();
    {
      int to = at + 1;
      to = to >= 2 ? to - 2 : to;
      int next = tile + 1 * step;
      if (next < total) fetch(bufs + to * 1179, x, next, per, n, vec, l);
      cp_commit();
    }
    float4 out[8];
    core(out, buf + 27 + 9 * l, smem);
    const int ch = tile / per, t0 = (tile - ch * per) * 4096;
    float* dst = y + (size_t)ch * n;
    __syncthreads();
#pragma unroll
    for (int c = 0; c < 8; ++c) buf[9 * l + c] = out[c];
    __syncthreads();
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      int c = l + 128 * e;
      store4(dst, t0 + 4 * c, n, vec, buf[c + c / 8]);
    }
    at = at + 1 == 2 ? 0 : at + 1;
  }
}
