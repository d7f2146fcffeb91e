// 32 rows a warp with no shared memory: register prefix of each 32 products, lanes pull their rows' bounds by shuffle; all of L1 is left to x
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

#define K 8
#define CH (32 * K)
extern "C" __global__ void __launch_bounds__(256, 6) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int rows) {
  int lane = threadIdx.x & 31;
  int r0 = (blockIdx.x * 8 + (threadIdx.x >> 5)) * 32;
  if (r0 >= rows) return;

  int idx = r0 + lane;
  int s = __ldg(row_ptr + min(idx, rows)), e = __ldg(row_ptr + min(idx + 1, rows));
  int beg = __shfl_sync(FULL, s, 0), fin = __shfl_sync(FULL, e, 31);
  float acc = 0.0f;

  for (int base = beg & ~31; base < fin; base += CH) {
    int c[K];
    float p[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      int j = base + lane + k * 32;
      c[k] = 0; p[k] = 0.0f;
      if (j >= beg && j < fin) { c[k] = ldi(cols + j); p[k] = ldf(vals + j); }
    }
#pragma unroll
    for (int k = 0; k < K; ++k) {
      int j = base + lane + k * 32;
      float xv = 0.0f;
      if (j >= beg && j < fin) xv = ldx(x + c[k]);
      p[k] *= xv;
    }
#pragma unroll
    for (int d = 1; d < 32; d <<= 1) {
#pragma unroll
      for (int k = 0; k < K; ++k) {
        float u = __shfl_up_sync(FULL, p[k], d);
        if (lane >= d) p[k] += u;
      }
    }
    // Lane i owns row r0 + i: it pulls the two prefixes that bound its row in each group of 32.
#pragma unroll
    for (int k = 0; k < K; ++k) {
      int g = base + k * 32;
      int a = min(max(s - g, 0), 32), b = min(max(e - g, 0), 32);
      float pb = __shfl_sync(FULL, p[k], max(b - 1, 0));
      float pa = __shfl_sync(FULL, p[k], max(a - 1, 0));
      if (b > a) acc += a > 0 ? pb - pa : pb;
    }
  }
  if (idx < rows) y[idx] = acc;
}
