// Rows classified first; then persistent blocks with 1/33 of x in shared memory mix their slab's narrow rows (DRAM-bound) with wide rows drawn by ticket (L2-bound), so the two limits overlap
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

#define SLABS 33
#define SLAB 23832
#define LISTS 4096
// work[32 p]: rows queued for slab p (p == SLABS: all others); work[2048 + 32 p]: rows of that queue taken.
extern "C" __global__ void reset(int* work) { work[blockIdx.x * blockDim.x + threadIdx.x] = 0; }
extern "C" __global__ void __launch_bounds__(256) classify(const int* __restrict__ row_ptr, const int* __restrict__ cols,
    float* __restrict__ y, int* __restrict__ work, int rows, int cap) {
  __shared__ int count[SLABS + 1], place[SLABS + 1];
  int tid = threadIdx.x;
  if (tid <= SLABS) count[tid] = 0;
  __syncthreads();
  int bin[4], at[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    int row = blockIdx.x * 1024 + k * 256 + tid;
    bin[k] = -1; at[k] = 0;
    if (row < rows) {
      int s = __ldg(row_ptr + row), e = __ldg(row_ptr + row + 1);
      if (s == e) y[row] = 0.0f;
      else {
        int a = __ldg(cols + s) / SLAB, b = __ldg(cols + e - 1) / SLAB;
        bin[k] = a == b && a < SLABS ? a : SLABS;
      }
    }
  }
#pragma unroll
  for (int k = 0; k < 4; ++k)
    if (bin[k] >= 0) at[k] = atomicAdd(&count[bin[k]], 1);
  __syncthreads();
  if (tid <= SLABS && count[tid] > 0) place[tid] = atomicAdd(work + 32 * tid, count[tid]);
  __syncthreads();
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    int row = blockIdx.x * 1024 + k * 256 + tid;
    if (bin[k] < 0) continue;
    int i = place[bin[k]] + at[k];
    if (bin[k] < SLABS && i < cap) work[LISTS + rows + bin[k] * cap + i] = row;
    else {
      if (bin[k] < SLABS) i = atomicAdd(work + 32 * SLABS, 1);
      work[LISTS + i] = row;
    }
  }
}
extern "C" __global__ void __launch_bounds__(1024, 1) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int* work, int rows, int columns, int cap) {
  extern __shared__ __align__(16) float slab[];
  int p = blockIdx.x % SLABS, lane = threadIdx.x & 31;
  int nn = min(work[32 * p], cap), nw = work[32 * SLABS], first = p * SLAB;
  int len = nn > 0 ? min(SLAB, columns - first) : 0;
  for (int i = 4 * threadIdx.x; i < len; i += 4096) {
    if (i + 3 < len) *(float4*)(slab + i) = *(const float4*)(x + first + i);
    else for (int k = i; k < len; ++k) slab[k] = x[first + k];
  }
  __syncthreads();
  // Even warps start with the slab's rows, odd ones with the others: both kinds of traffic are always under way.
#pragma unroll 1
  for (int turn = 0; turn < 2; ++turn) {
    bool slabbed = ((threadIdx.x >> 5) & 1) == turn;
    const int* list = slabbed ? work + LISTS + rows + p * cap : work + LISTS;
    int n = slabbed ? nn : nw;
    int* taken = work + 2048 + 32 * (slabbed ? p : SLABS);
    while (true) {
      int i = 0;
      if (lane == 0) i = atomicAdd(taken, 32);
      i = __shfl_sync(FULL, i, 0);
      if (i >= n) break;
      int r = -1, rs = 0, re = 0;
      if (i + lane < n) { r = list[i + lane]; rs = __ldg(row_ptr + r); re = __ldg(row_ptr + r + 1); }
      if (slabbed) rows32<true>(cols, vals, x, y, slab, first, r, rs, re, lane);
      else rows32<false>(cols, vals, x, y, x, 0, r, rs, re, lane);
    }
  }
}
