// CSR-stream: block of 128 rows streams its entries coalesced (8 a thread), products in shared memory, 2 threads sum a row, long parts by a warp
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

#define RB 128
#define THREADS 256
#define ITEMS 8
#define CHUNK (THREADS * ITEMS)
extern "C" __global__ void __launch_bounds__(THREADS, 6) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int rows) {
  __shared__ float prod[CHUNK];
  int tid = threadIdx.x, lane = tid & 31;
  int r0 = blockIdx.x * RB;
  int row = r0 + (tid >> 1), sub = tid & 1;
  int rs = __ldg(row_ptr + min(row, rows)), re = __ldg(row_ptr + min(row + 1, rows));
  int beg = __ldg(row_ptr + r0), fin = __ldg(row_ptr + min(r0 + RB, rows));
  float acc = 0.0f;
  for (int base = beg & ~31; base < fin; base += CHUNK) {
    int c[ITEMS];
    float v[ITEMS];
#pragma unroll
    for (int k = 0; k < ITEMS; ++k) {
      int j = base + tid + k * THREADS;
      c[k] = 0; v[k] = 0.0f;
      if (j >= beg && j < fin) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
    }
#pragma unroll
    for (int k = 0; k < ITEMS; ++k) {
      int j = base + tid + k * THREADS;
      float xv = 0.0f;
      if (j >= beg && j < fin) xv = ldx(x + c[k]);
      prod[tid + k * THREADS] = v[k] * xv;
    }
    __syncthreads();
    int a = min(max(rs - base, 0), CHUNK), b = min(max(re - base, 0), CHUNK);
    bool is_long = b - a > 128;
    if (!is_long)
      for (int i = a + sub; i < b; i += 2) acc += prod[i];
    unsigned m = __ballot_sync(FULL, is_long && sub == 0);
    while (m) {
      int l = __ffs(m) - 1;
      m &= m - 1;
      int la = __shfl_sync(FULL, a, l), lb = __shfl_sync(FULL, b, l);
      float t = 0.0f;
      for (int i = la + lane; i < lb; i += 32) t += prod[i];
      t = warp_sum(t);
      if (lane == l) acc += t;
    }
    __syncthreads();
  }
  acc += __shfl_xor_sync(FULL, acc, 1);
  if (sub == 0 && row < rows) y[row] = acc;
}
