
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
__device__ __forceinline__ void cp_async16(void* s, const void* g) {
  unsigned a = (unsigned)__cvta_generic_to_shared(s);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(a), "l"(g) : "memory");
}
__device__ __forceinline__ void cp_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> __device__ __forceinline__ void cp_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
//ASM-END
// A chunk of a channel into shared memory: asynchronous where it is whole and aligned, zero outside the channel.
__device__ __forceinline__ void fetch4(float4* s, const float* __restrict__ row, int i, int n, bool vec) {
  if (vec && i >= 0 && i < n) cp_async16(s, row + i);
  else *s = load4(row, i, n, vec);
}

// Persistent blocks, two tiles in flight by cp.async.
extern "C" __global__ void __launch_bounds__(128, 5) fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y, int channels, int n, int taps) {
  __shared__ float4 xs[2][408];
  __shared__ float4 os[384];
  __shared__ float4 hs[24];
  const int t = threadIdx.x;
  const bool vec = n % 4 == 0;
  if (t < 96) reinterpret_cast<float*>(hs)[t] = t < taps ? h[t] : 0.0f;
  const int per = (n + 1535) / 1536, total = per * channels;
  int tile = blockIdx.x;
  if (tile < total) {
    int ch = tile / per, t0 = (tile - ch * per) * 1536;
    for (int c = t; c < 408; c += 128) fetch4(&xs[0][c], x + (size_t)ch * n, t0 - 96 + 4 * c, n, vec);
  }
  cp_commit();
  int buf = 0;
  for (; tile < total; tile += gridDim.x, buf ^= 1) {
    int next = tile + gridDim.x;
    if (next < total) {
      int ch = next / per, t0 = (next - ch * per) * 1536;
      for (int c = t; c < 408; c += 128) fetch4(&xs[buf ^ 1][c], x + (size_t)ch * n, t0 - 96 + 4 * c, n, vec);
    }
    cp_commit();
    cp_wait<1>();
    __syncthreads();
    float acc[12];
#pragma unroll
    for (int r = 0; r < 12; ++r) acc[r] = 0.0f;
    fir_acc<12, 24, 0>(acc, &xs[buf][24 + 3 * t], hs);
#pragma unroll
    for (int c = 0; c < 3; ++c) os[3 * t + c] = make_float4(acc[4 * c], acc[4 * c + 1], acc[4 * c + 2], acc[4 * c + 3]);
    __syncthreads();
    int ch = tile / per, t0 = (tile - ch * per) * 1536;
    float* out = y + (size_t)ch * n;
#pragma unroll
    for (int c = t; c < 384; c += 128) store4(out, t0 + 4 * c, n, vec, os[c]);
  }
}
