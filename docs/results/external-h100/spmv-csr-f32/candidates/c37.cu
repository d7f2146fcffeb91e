// c13 with the tiles' first rows scattered by a streaming pre-pass over row_ptr instead of the search in each block
#define FULL 0xffffffffu
__device__ __forceinline__ int ldi(const int* p) {
  int v; asm("ld.global.nc.L1::no_allocate.s32 %0, [%1];" : "=r"(v) : "l"(p)); return v;
}
__device__ __forceinline__ float ldf(const float* p) {
  float v; asm("ld.global.nc.L1::no_allocate.f32 %0, [%1];" : "=f"(v) : "l"(p)); return v;
}
__device__ __forceinline__ float ldx(const float* p) { return __ldg(p); }
// Inclusive prefix of sp[4 ...] in place (Q * 128 floats); returns the total.
template <int Q>
__device__ __forceinline__ float warp_scan(float* sp, int lane) {
  float4 v[Q];
  float t[Q];
#pragma unroll
  for (int q = 0; q < Q; ++q) {
    v[q] = *(const float4*)(sp + 4 + q * 128 + 4 * lane);
    v[q].y += v[q].x; v[q].z += v[q].y; v[q].w += v[q].z;
    t[q] = v[q].w;
  }
#pragma unroll
  for (int d = 1; d < 32; d <<= 1) {
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      float u = __shfl_up_sync(FULL, t[q], d);
      if (lane >= d) t[q] += u;
    }
  }
  float run = 0.0f;
#pragma unroll
  for (int q = 0; q < Q; ++q) {
    float ex = __shfl_up_sync(FULL, t[q], 1);
    if (lane == 0) ex = 0.0f;
    ex += run;
    run += __shfl_sync(FULL, t[q], 31);
    *(float4*)(sp + 4 + q * 128 + 4 * lane) = make_float4(v[q].x + ex, v[q].y + ex, v[q].z + ex, v[q].w + ex);
  }
  return run;
}
extern "C" __global__ void fixup(const int* work, float* y, int n, int rows) {
  int t = blockIdx.x * blockDim.x + threadIdx.x;
  if (t >= n) return;
  int r = work[2 * t];
  float c = __int_as_float(work[2 * t + 1]);
  if (r >= 0 && r < rows) atomicAdd(y + r, c);
}

#define WARPS 8
#define K 8
#define CH (32 * K)
#define TILE (WARPS * CH)
// work[2 * tiles + t] = the row that holds entry t * TILE.
extern "C" __global__ void bounds(const int* __restrict__ row_ptr, int* __restrict__ work, int rows, int tiles) {
  int r = blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= rows) return;
  int q = row_ptr[r + 1];
  for (int t = (row_ptr[r] + TILE - 1) / TILE; t * TILE < q; ++t) work[2 * tiles + t] = r;
}
extern "C" __global__ void __launch_bounds__(WARPS * 32, 6) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int* __restrict__ work, int rows, int nnz) {
  __shared__ __align__(16) float smem[WARPS][CH + 4];
  __shared__ float totals[WARPS];
  int tid = threadIdx.x, lane = tid & 31, w = tid >> 5;
  float* sp = smem[w];
  int lo = blockIdx.x * TILE, hi = min(lo + TILE, nnz);
  int base = lo + w * CH;
  if (lane == 0) sp[3] = 0.0f;
  int c[K];
  float v[K];
#pragma unroll
  for (int k = 0; k < K; ++k) {
    int j = base + lane + k * 32;
    c[k] = 0; v[k] = 0.0f;
    if (j < hi) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
  }
  int first = lo == 0 ? 0 : work[2 * gridDim.x + blockIdx.x];
  int last = hi >= nnz ? rows : work[2 * gridDim.x + blockIdx.x + 1];
#pragma unroll
  for (int k = 0; k < K; ++k) {
    float xv = 0.0f;
    if (base + lane + k * 32 < hi) xv = ldx(x + c[k]);
    sp[4 + k * 32 + lane] = v[k] * xv;
  }
  __syncwarp();
  float total = warp_scan<CH / 128>(sp, lane);
  if (lane == 0) totals[w] = total;
  __syncthreads();
  float own = lane < WARPS ? totals[lane] : 0.0f, off = own;
#pragma unroll
  for (int d = 1; d < WARPS; d <<= 1) {
    float u = __shfl_up_sync(FULL, off, d);
    if (lane >= d) off += u;
  }
  off -= own;
  // Row `last` is the one still open at hi; it gives the carry.
  for (int rb = first; rb <= last; rb += WARPS * 32) {
    int r = rb + tid;
    int s = lo, e = lo;
    if (r < last) { s = __ldg(row_ptr + r); e = __ldg(row_ptr + r + 1); }
    if (r == last) { s = r < rows ? __ldg(row_ptr + r) : hi; e = hi; }
    int a = max(s - lo, 0), b = max(e - lo, 0);
    int wa = a > 0 ? (a - 1) / CH : 0, wb = b > 0 ? (b - 1) / CH : 0;
    float pa = __shfl_sync(FULL, off, wa) + smem[wa][3 + a - wa * CH];
    float pb = __shfl_sync(FULL, off, wb) + smem[wb][3 + b - wb * CH];
    if (r < last) y[r] = pb - pa;
    if (r == last) {
      work[2 * blockIdx.x] = (r < rows && a < b) ? r : -1;
      work[2 * blockIdx.x + 1] = __float_as_int(pb - pa);
    }
  }
}
