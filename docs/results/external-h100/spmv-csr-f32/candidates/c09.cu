// Warp-private CSR-stream: 32 rows a warp, 512 products in the warp's own shared memory, one lane sums a row, no block barriers
#define FULL 0xffffffffu
__device__ __forceinline__ int ldi(const int* p) {
  int v; asm("ld.global.nc.L1::no_allocate.s32 %0, [%1];" : "=r"(v) : "l"(p)); return v;
}
__device__ __forceinline__ float ldf(const float* p) {
  float v; asm("ld.global.nc.L1::no_allocate.f32 %0, [%1];" : "=f"(v) : "l"(p)); return v;
}
__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int d = 16; d; d >>= 1) v += __shfl_xor_sync(FULL, v, d);
  return v;
}

__device__ __forceinline__ float ldx(const float* p) { return __ldg(p); }

#define WARPS 8
#define K 16
#define CH (32 * K)
extern "C" __global__ void __launch_bounds__(WARPS * 32, 4) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int rows) {
  __shared__ __align__(16) float smem[WARPS][CH + 4];
  int lane = threadIdx.x & 31;
  float* sp = smem[threadIdx.x >> 5];
  int r0 = (blockIdx.x * WARPS + (threadIdx.x >> 5)) * 32;
  if (r0 >= rows) return;

  int idx = r0 + lane;
  int s = __ldg(row_ptr + min(idx, rows)), e = __ldg(row_ptr + min(idx + 1, rows));
  int beg = __shfl_sync(FULL, s, 0), fin = __shfl_sync(FULL, e, 31);
  float acc = 0.0f;

  for (int base = beg & ~31; base < fin; base += CH) {
    int c[K];
    float v[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      int j = base + lane + k * 32;
      c[k] = 0; v[k] = 0.0f;
      if (j >= beg && j < fin) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
    }
#pragma unroll
    for (int k = 0; k < K; ++k) {
      int j = base + lane + k * 32;
      float xv = 0.0f;
      if (j >= beg && j < fin) xv = ldx(x + c[k]);
      sp[4 + k * 32 + lane] = v[k] * xv;
    }

    __syncwarp();
    int a = min(max(s - base, 0), CH), b = min(max(e - base, 0), CH);
    bool is_long = b - a > 64;
    if (!is_long)
      for (int i = a; i < b; ++i) acc += sp[4 + i];
    unsigned m = __ballot_sync(FULL, is_long);
    while (m) {
      int l = __ffs(m) - 1;
      m &= m - 1;
      int la = __shfl_sync(FULL, a, l), lb = __shfl_sync(FULL, b, l);
      float t = 0.0f;
      for (int i = la + lane; i < lb; i += 32) t += sp[4 + i];
      t = warp_sum(t);
      if (lane == l) acc += t;
    }
    __syncwarp();
  }
  if (idx < rows) y[idx] = acc;
}
