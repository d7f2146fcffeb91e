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

//BULK-BEGIN
__device__ __forceinline__ unsigned saddr(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void mbar_init(unsigned long long* b, int count) { asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(saddr(b)), "r"(count) : "memory"); }
__device__ __forceinline__ void mbar_expect(unsigned long long* b, int bytes) { asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(saddr(b)), "r"(bytes) : "memory"); }
__device__ __forceinline__ void mbar_wait(unsigned long long* b, int parity) {
  unsigned done;
  do {
    asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }" : "=r"(done) : "r"(saddr(b)), "r"(parity) : "memory");
  } while (!done);
}
__device__ __forceinline__ void bulk_load(void* s, const void* g, int bytes, unsigned long long* b) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(saddr(s)), "l"(g), "r"(bytes), "r"(saddr(b)) : "memory");
}
__device__ __forceinline__ void bulk_store(void* g, const void* s, int bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(g), "r"(saddr(s)), "r"(bytes) : "memory");
}
__device__ __forceinline__ void bulk_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
__device__ __forceinline__ void bulk_wait_read() { asm volatile("cp.async.bulk.wait_group.read 1;" ::: "memory"); }
__device__ __forceinline__ void bulk_wait_all() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }
__device__ __forceinline__ void fence_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
//BULK-END

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

// One-level fast FIR, the difference signals formed in registers from one float4 of samples per step; 28 outputs per thread.
// Persistent blocks; one thread moves whole tiles in and out by bulk copies (three buffers).
extern "C" __global__ void __launch_bounds__(128, 4) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  extern __shared__ float4 smem[];
  unsigned long long* bars = reinterpret_cast<unsigned long long*>(smem + 48);
  float4* bufs = smem + 56;
  const int t = threadIdx.x;
  const bool vec = n % 4 == 0;
  const int per = (n + 3583) / 3584, total = per * channels;
  for (int k = t; k < 48; k += 128) {
    float a = 2 * k < taps ? h[2 * k] : 0.0f, b = 2 * k + 1 < taps ? h[2 * k + 1] : 0.0f;
    float* g = reinterpret_cast<float*>(smem) + 8 * (k / 2) + 3 * (k % 2);
    g[0] = a + b; g[1] = b; g[2] = a;
  }
  if (t == 0) {
    mbar_init(bars, 1); mbar_init(bars + 1, 1); mbar_init(bars + 2, 1);
    fence_async();
  }
  __syncthreads();
  int tile = blockIdx.x, at = 0, parity = 0;
  // Starts the load of a tile; the 24 chunks before a channel are zeroed by the caller's warp 0.
  if (vec && tile < total) {
    int ch = tile / per, from = (tile - ch * per) * 3584 - 96, first = max(from, 0), bytes = 4 * (min(from + 3680, n) - first);
    if (from < 0 && t < 24) bufs[t] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (t == 0) {
      mbar_expect(bars, bytes);
      bulk_load(bufs + (first - from) / 4, x + (size_t)ch * n + first, bytes, bars);
    }
  }
  __syncthreads();
#pragma unroll 1
  for (; tile < total; tile += gridDim.x) {
    float4* buf = bufs + at * 920;
    const int ch = tile / per, t0 = (tile - ch * per) * 3584;
    const int to = at == 2 ? 0 : at + 1;
    if (vec) {
      int next = tile + gridDim.x;
      if (t < 32 && next < total) {
        int nch = next / per, from = (next - nch * per) * 3584 - 96, first = max(from, 0), bytes = 4 * (min(from + 3680, n) - first);
        if (t == 0) bulk_wait_read();  // the store from this buffer, two tiles ago, has read it
        __syncwarp();
        if (from < 0 && t < 24) bufs[to * 920 + t] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (t == 0) {
          mbar_expect(bars + to, bytes);
          bulk_load(bufs + to * 920 + (first - from) / 4, x + (size_t)nch * n + first, bytes, bars + to);
        }
      }
      mbar_wait(bars + at, parity);
    } else {
      __syncthreads();
#pragma unroll 1
      for (int c = t; c < 920; c += 128) buf[c] = load4(x + (size_t)ch * n, t0 - 96 + 4 * c, n, false);
      __syncthreads();
    }
    float4 out[7];
    core(out, buf + 24 + 7 * t, smem);
    __syncthreads();
#pragma unroll
    for (int c = 0; c < 7; ++c) buf[7 * t + c] = out[c];
    if (vec) fence_async();
    __syncthreads();
    if (!vec) {
#pragma unroll 1
      for (int c = t; c < 896; c += 128) store4(y + (size_t)ch * n, t0 + 4 * c, n, false, buf[c]);
    } else if (t == 0) {
      bulk_store(y + (size_t)ch * n + t0, buf, 4 * min(3584, n - t0));
      bulk_commit();
    }
    if (to == 0) parity ^= 1;
    at = to;
  }
  if (t == 0) bulk_wait_all();
}
