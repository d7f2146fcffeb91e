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

// Chunks out[0..7) of a thread whose own first chunk is p[0].
__device__ __forceinline__ void core(float4 (&out)[7], const float4* p, const float4* hs) {
  float acc[3][14], w[3][14];
  float4 a = p[-1], b = a;
#pragma unroll
  for (int c = 0; c < 7; ++c) {
    float4 v = p[c];
    w[0][2 * c] = v.x; w[1][2 * c] = b.w - v.x; w[2][2 * c] = v.y - v.x;
    w[0][2 * c + 1] = v.z; w[1][2 * c + 1] = v.y - v.z; w[2][2 * c + 1] = v.w - v.z;
#pragma unroll
    for (int f = 0; f < 3; ++f) { acc[f][2 * c] = 0.0f; acc[f][2 * c + 1] = 0.0f; }
    b = v;
  }
  {
#pragma unroll
    for (int u = 0; u < 24; ++u) {
      float4 q = p[-2 - u];
      float4 h0 = hs[2 * u], h1 = hs[2 * u + 1];
      const float t[6] = {h0.x, h0.y, h0.z, h0.w, h1.x, h1.y};
#pragma unroll
      for (int f = 0; f < 3; ++f)
#pragma unroll
        for (int r = 0; r < 14; ++r) acc[f][r] = fmaf(t[f], w[f][(r - 2 * u + 140) % 14], acc[f][r]);
      const int s1 = (13 - 2 * u + 140) % 14, s0 = (12 - 2 * u + 140) % 14;
      w[0][s1] = a.z; w[1][s1] = a.y - a.z; w[2][s1] = a.w - a.z;
#pragma unroll
      for (int f = 0; f < 3; ++f)
#pragma unroll
        for (int r = 0; r < 14; ++r) acc[f][r] = fmaf(t[3 + f], w[f][(r - 2 * u - 1 + 140) % 14], acc[f][r]);
      w[0][s0] = a.x; w[1][s0] = q.w - a.x; w[2][s0] = a.y - a.x;
      a = q;
    }
  }
#pragma unroll
  for (int c = 0; c < 7; ++c)
    out[c] = make_float4(acc[0][2 * c] + acc[1][2 * c], acc[0][2 * c] + acc[2][2 * c], acc[0][2 * c + 1] + acc[1][2 * c + 1], acc[0][2 * c + 1] + acc[2][2 * c + 1]);
}

// One tile of a channel (with 24 chunks of history) into shared memory, asynchronously.
__device__ __forceinline__ void fetch(float4* buf, const float* __restrict__ x, int tile, int per, int n, bool vec, int l) {
  int ch = tile / per, from = (tile - ch * per) * 3584 - 96;
  const float* row = x + (size_t)ch * n;
  if (vec) {
#pragma unroll 4
    for (int c = l; c < 920; c += 128) {
      int i = from + 4 * c;
      bool in = i >= 0 && i < n;
      cp_async16(buf + c, row + (in ? i : 0), in);
    }
  } else {
#pragma unroll 1
    for (int c = l; c < 920; c += 128) buf[c] = load4(row, from + 4 * c, n, false);
  }
}
// One-level fast FIR, the difference signals formed in registers from one float4 of samples per step; 28 outputs per thread.
// Persistent blocks, 2 buffers filled by cp.async.
extern "C" __global__ void __launch_bounds__(128, 4) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  extern __shared__ float4 smem[];
  const int t = threadIdx.x;
  const bool vec = n % 4 == 0;
  for (int k = t; k < 48; k += 128) {
    float a = 2 * k < taps ? h[2 * k] : 0.0f, b = 2 * k + 1 < taps ? h[2 * k + 1] : 0.0f;
    float* g = reinterpret_cast<float*>(smem) + 8 * (k / 2) + 3 * (k % 2);
    g[0] = a + b; g[1] = b; g[2] = a;
  }
  const int l = t;
  float4* bufs = smem + 48;
  const int per = (n + 3583) / 3584, total = per * channels, step = gridDim.x;
  int tile = blockIdx.x;
  if (tile + 0 * step < total) fetch(bufs + 0 * 920, x, tile + 0 * step, per, n, vec, l);
  cp_commit();
  int at = 0;
#pragma unroll 1
  for (; tile < total; tile += step) {
    float4* buf = bufs + at * 920;
    cp_wait<0>();
    __syncthreads();
    {
      int to = at + 1;
      to = to >= 2 ? to - 2 : to;
      int next = tile + 1 * step;
      if (next < total) fetch(bufs + to * 920, x, next, per, n, vec, l);
      cp_commit();
    }
    float4 out[7];
    core(out, buf + 24 + 7 * l, smem);
    const int ch = tile / per, t0 = (tile - ch * per) * 3584;
    float* dst = y + (size_t)ch * n;
    __syncthreads();
#pragma unroll
    for (int c = 0; c < 7; ++c) buf[7 * l + c] = out[c];
    __syncthreads();
#pragma unroll
    for (int e = 0; e < 7; ++e) {
      int c = l + 128 * e;
      store4(dst, t0 + 4 * c, n, vec, buf[c]);
    }
    at = at + 1 == 2 ? 0 : at + 1;
  }
}
