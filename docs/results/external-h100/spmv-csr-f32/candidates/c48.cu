// c25 as persistent blocks that draw 64-row groups by ticket and load the next group's cols/vals in registers while the rows are summed
#define FULL 0xffffffffu
__device__ __forceinline__ int ldi(const int* p) {
  int v; asm("ld.global.nc.L1::no_allocate.s32 %0, [%1];" : "=r"(v) : "l"(p)); return v;
}
__device__ __forceinline__ float ldf(const float* p) {
  float v; asm("ld.global.nc.L1::no_allocate.f32 %0, [%1];" : "=f"(v) : "l"(p)); return v;
}
__device__ __forceinline__ float ldx(const float* p) { return __ldg(p); }
__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int d = 16; d; d >>= 1) v += __shfl_xor_sync(FULL, v, d);
  return v;
}

#define RB 64
#define THREADS 256
#define ITEMS 8
#define TPR (THREADS / RB)
#define CHUNK (THREADS * ITEMS)
extern "C" __global__ void reset(int* work, int v) { work[0] = v; }
extern "C" __global__ void __launch_bounds__(THREADS, 5) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int* work, int rows) {
  __shared__ float prod[CHUNK];
  __shared__ int ticket;
  int tid = threadIdx.x, lane = tid & 31, sub = tid % TPR;
  int groups = (rows + RB - 1) / RB;
  int g = blockIdx.x;
  if (g >= groups) return;
  int c[ITEMS];
  float v[ITEMS];
  int beg = __ldg(row_ptr + g * RB), fin = __ldg(row_ptr + min(g * RB + RB, rows));
  auto load = [&](int base, int from, int to) {
#pragma unroll
    for (int k = 0; k < ITEMS; ++k) {
      int j = base + tid + k * THREADS;
      c[k] = -1; v[k] = 0.0f;
      if (j >= from && j < to) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
    }
  };
  load(beg & ~31, beg, fin);
  while (true) {
    if (tid == 0) ticket = atomicAdd(work, 1);
    int row = g * RB + tid / TPR;
    int rs = __ldg(row_ptr + min(row, rows)), re = __ldg(row_ptr + min(row + 1, rows));
    float acc = 0.0f;
    int gn = 0, nbeg = 0, nfin = 0;
    bool more = true;
    for (int base = beg & ~31; more; base += CHUNK) {
#pragma unroll
      for (int k = 0; k < ITEMS; ++k) {
        float xv = 0.0f;
        if (c[k] >= 0) xv = ldx(x + c[k]);
        prod[tid + k * THREADS] = v[k] * xv;
      }
      __syncthreads();
      more = base + CHUNK < fin;
      if (more) load(base + CHUNK, beg, fin);
      else {
        gn = ticket;
        if (gn < groups) {
          nbeg = __ldg(row_ptr + gn * RB); nfin = __ldg(row_ptr + min(gn * RB + RB, rows));
          load(nbeg & ~31, nbeg, nfin);
        }
      }
      int a = min(max(rs - base, 0), CHUNK), b = min(max(re - base, 0), CHUNK);
      bool is_long = b - a > 64 * TPR;
      if (!is_long)
        for (int i = a + sub; i < b; i += TPR) acc += prod[i];
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
#pragma unroll
    for (int d = TPR / 2; d; d >>= 1) acc += __shfl_xor_sync(FULL, acc, d);
    if (sub == 0 && row < rows) y[row] = acc;
    if (gn >= groups) return;
    g = gn; beg = nbeg; fin = nfin;
  }
}
