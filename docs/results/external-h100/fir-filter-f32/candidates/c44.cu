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

//ASM-BEGIN
// 16 bytes to shared memory, zeros where !in (nothing is read then).
__device__ __forceinline__ void cp_async16(void* s, const void* g, bool in) {
  unsigned a = (unsigned)__cvta_generic_to_shared(s);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(a), "l"(g), "r"(in ? 16 : 0) : "memory");
}
__device__ __forceinline__ void cp_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> __device__ __forceinline__ void cp_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
//ASM-END

__device__ __forceinline__ void fetch(float4* raw, const float* __restrict__ x, int tile, int per, int n, bool vec, int t) {
  int ch = tile / per, from = (tile - ch * per) * 3072 - 100;
  const float* row = x + (size_t)ch * n;
  if (vec) {
#pragma unroll 4
    for (int c = t; c < 793; c += 128) {
      int i = from + 4 * c;
      bool in = i >= 0 && i < n;
      cp_async16(raw + c, row + (in ? i : 0), in);
    }
  } else {
#pragma unroll 1
    for (int c = t; c < 793; c += 128) raw[c] = load4(row, from + 4 * c, n, false);
  }
}
// One-level fast FIR with its three signals in shared memory, persistent blocks, raw tile by cp.async.
extern "C" __global__ void __launch_bounds__(128, 6) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  extern __shared__ float4 smem[];
  float* sig = reinterpret_cast<float*>(smem);  // 3 signals of 1584
  float4* raw = smem + 1188;                    // 793 chunks from sample t0 - 100
  float* g = reinterpret_cast<float*>(raw + 793);
  const int t = threadIdx.x;
  const bool vec = n % 4 == 0;
  for (int k = t; k < 48; k += 128) {
    float a = 2 * k < taps ? h[2 * k] : 0.0f, b = 2 * k + 1 < taps ? h[2 * k + 1] : 0.0f;
    g[k] = a + b; g[48 + k] = b; g[96 + k] = a;
  }
  const int per = (n + 3071) / 3072, total = per * channels;
  int tile = blockIdx.x;
  if (tile < total) fetch(raw, x, tile, per, n, vec, t);
  cp_commit();
#pragma unroll 1
  for (; tile < total; tile += gridDim.x) {
    cp_wait<0>();
    __syncthreads();
#pragma unroll 4
    for (int c = t; c < 792; c += 128) {
      float4 a = raw[c + 1];
      float p = reinterpret_cast<const float*>(raw)[4 * c + 3];
      *reinterpret_cast<float2*>(sig + 2 * c) = make_float2(a.x, a.z);
      *reinterpret_cast<float2*>(sig + 1584 + 2 * c) = make_float2(p - a.x, a.y - a.z);
      *reinterpret_cast<float2*>(sig + 3168 + 2 * c) = make_float2(a.y - a.x, a.w - a.z);
    }
    __syncthreads();
    if (tile + (int)gridDim.x < total) fetch(raw, x, tile + gridDim.x, per, n, vec, t);
    cp_commit();
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
    int ch = tile / per, t0 = (tile - ch * per) * 3072;
    float* out = y + (size_t)ch * n;
#pragma unroll
    for (int c = t; c < 768; c += 128) store4(out, t0 + 4 * c, n, vec, smem[c + c / 6]);
  }
}
