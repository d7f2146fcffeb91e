// Narrow rows (all columns within one 1/16 of x) are queued by slab while the wide ones are computed; then blocks holding that slab of x in shared memory do the queued rows: half the L2 gathers vanish
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
// Entries j, j + STRIDE, ... below e; x is read from shared memory (columns less `first`) or through the caches.
template <int STRIDE, int DEPTH, bool IN_SMEM>
__device__ __forceinline__ float dot(const int* cols, const float* vals, const float* x, const float* slab, int first,
                                     int j, int e) {
  float sum = 0.0f;
  for (; j < e; j += STRIDE * DEPTH) {
    int c[DEPTH];
    float v[DEPTH];
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
      int jj = j + k * STRIDE;
      c[k] = -1; v[k] = 0.0f;
      if (jj < e) { c[k] = ldi(cols + jj); v[k] = ldf(vals + jj); }
    }
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
      float xv = 0.0f;
      if (c[k] >= 0) xv = IN_SMEM ? slab[c[k] - first] : ldx(x + c[k]);
      sum += v[k] * xv;
    }
  }
  return sum;
}
// Lane i holds row `row` = [s, e) (empty: row < 0): 8 lanes a row, rows over LONG by the whole warp.
#define LONG 128
template <bool IN_SMEM>
__device__ __forceinline__ void rows32(const int* cols, const float* vals, const float* x, float* y, const float* slab,
                                       int first, int row, int s, int e, int lane) {
  bool is_long = e - s > LONG;
  unsigned any = __ballot_sync(FULL, row >= 0), m = __ballot_sync(FULL, is_long);
  float mine = 0.0f;
#pragma unroll 1
  for (int g = 0; g < 8; ++g) {
    if (!(any >> (4 * g) & 15u)) continue;
    int src = 4 * g + (lane >> 3);
    int ss = __shfl_sync(FULL, s, src), ee = __shfl_sync(FULL, e, src);
    if (m >> src & 1u) ee = ss;
    float t = dot<8, 4, IN_SMEM>(cols, vals, x, slab, first, ss + (lane & 7), ee);
    t += __shfl_xor_sync(FULL, t, 4);
    t += __shfl_xor_sync(FULL, t, 2);
    t += __shfl_xor_sync(FULL, t, 1);
    t = __shfl_sync(FULL, t, (lane & 3) * 8);
    if (lane >> 2 == g) mine = t;
  }
  while (m) {
    int l = __ffs(m) - 1;
    m &= m - 1;
    int ls = __shfl_sync(FULL, s, l), le = __shfl_sync(FULL, e, l);
    float t = warp_sum(dot<32, 6, IN_SMEM>(cols, vals, x, slab, first, ls + lane, le));
    if (lane == l) mine = t;
  }
  if (row >= 0) y[row] = mine;
}

#define SLABS 16
#define SLAB 49152
#define LISTS 2048
extern "C" __global__ void reset(int* work) { work[threadIdx.x] = 0; }
// Rows whose columns all lie in one slab of x are queued for that slab; the others are done here through the caches.
extern "C" __global__ void __launch_bounds__(256, 5) wide(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int* __restrict__ work, int rows, int cap) {
  __shared__ int count[SLABS + 1], place[SLABS];
  __shared__ int queue[256];
  int tid = threadIdx.x, lane = tid & 31, row = blockIdx.x * 256 + tid;
  if (tid <= SLABS) count[tid] = 0;
  __syncthreads();
  int s = 0, e = 0, bin = -1, at = 0;
  if (row < rows) {
    s = __ldg(row_ptr + row); e = __ldg(row_ptr + row + 1);
    if (s == e) y[row] = 0.0f;
    else {
      int a = __ldg(cols + s) / SLAB, b = __ldg(cols + e - 1) / SLAB;
      bin = a == b && a < SLABS ? a : SLABS;
      at = atomicAdd(&count[bin], 1);
    }
  }
  __syncthreads();
  if (tid < SLABS && count[tid] > 0) place[tid] = atomicAdd(work + 32 * tid, count[tid]);
  __syncthreads();
  if (bin >= 0 && bin < SLABS) {
    int i = place[bin] + at;
    if (i < cap) work[LISTS + bin * cap + i] = row;
    else { bin = SLABS; at = atomicAdd(&count[SLABS], 1); }
  }
  if (bin == SLABS) queue[at] = row;
  __syncthreads();
  int n = count[SLABS];
  for (int i = (tid >> 5) * 32; i < n; i += 256) {
    int r = -1, rs = 0, re = 0;
    if (i + lane < n) { r = queue[i + lane]; rs = __ldg(row_ptr + r); re = __ldg(row_ptr + r + 1); }
    rows32<false>(cols, vals, x, y, x, 0, r, rs, re, lane);
  }
}
// Eight blocks a slab: the slab of x in shared memory, then the slab's queued rows.
extern "C" __global__ void __launch_bounds__(1024, 1) narrow(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, const int* __restrict__ work, int columns, int cap) {
  extern __shared__ __align__(16) float slab[];
  int p = blockIdx.x % SLABS, part = blockIdx.x / SLABS, lane = threadIdx.x & 31;
  int n = min(work[32 * p], cap), first = p * SLAB;
  if (n <= 0) return;
  int len = min(SLAB, columns - first);
  for (int i = 4 * threadIdx.x; i < len; i += 4096) {
    if (i + 3 < len) *(float4*)(slab + i) = *(const float4*)(x + first + i);
    else for (int k = i; k < len; ++k) slab[k] = x[first + k];
  }
  __syncthreads();
  const int* list = work + LISTS + p * cap;
  for (int i = (part * 32 + (threadIdx.x >> 5)) * 32; i < n; i += (gridDim.x / SLABS) * 1024) {
    int r = -1, rs = 0, re = 0;
    if (i + lane < n) { r = list[i + lane]; rs = __ldg(row_ptr + r); re = __ldg(row_ptr + r + 1); }
    rows32<true>(cols, vals, x, y, slab, first, r, rs, re, lane);
  }
}
