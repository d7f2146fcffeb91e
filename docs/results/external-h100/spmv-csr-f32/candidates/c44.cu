// c43 with steps of 128, 2048-entry runs, 6 blocks an SM, x past L1 (ld.cg)
#define FULL 0xffffffffu
__device__ __forceinline__ int ldi(const int* p) {
  int v; asm("ld.global.nc.L1::no_allocate.s32 %0, [%1];" : "=r"(v) : "l"(p)); return v;
}
__device__ __forceinline__ float ldf(const float* p) {
  float v; asm("ld.global.nc.L1::no_allocate.f32 %0, [%1];" : "=f"(v) : "l"(p)); return v;
}
__device__ __forceinline__ float ldx(const float* p) {
  float v; asm("ld.global.cg.f32 %0, [%1];" : "=f"(v) : "l"(p)); return v;
}
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
// First r in [0, rows) with row_ptr[r + 1] > pos (pos < nnz), found by a whole warp, 32-ary.
__device__ __forceinline__ int find_row(const int* row_ptr, int rows, int pos, int lane) {
  int a = 0, b = rows;
  while (b - a > 1) {
    int step = (b - a + 31) >> 5;
    int q = a + (lane + 1) * step - 1;
    bool p = true;
    if (q < b - 1) p = __ldg(row_ptr + q + 1) > pos;
    int k = __ffs(__ballot_sync(FULL, p)) - 1;
    b = min(a + (k + 1) * step, b);
    a += k * step;
  }
  return a;
}
extern "C" __global__ void fixup(const int* work, float* y, int n, int rows) {
  int t = blockIdx.x * blockDim.x + threadIdx.x;
  if (t >= n) return;
  int r = work[2 * t];
  float c = __int_as_float(work[2 * t + 1]);
  if (r >= 0 && r < rows) atomicAdd(y + r, c);
}
// Emits every row that ends at or before lim; P(i) = sp[3 + i] relative to base. Keeps r and carry.
__device__ __forceinline__ void emit_rows(float* y, const float* sp, int rows, int base, int lim, const int* row_ptr,
                                          int end, float total, int lane, int& r, float& carry) {
  float prev = 0.0f;
  while (true) {
    int idx = r + lane;
    bool done = end <= lim;
    int n = __popc(__ballot_sync(FULL, done));
    float pe = done ? sp[3 + end - base] : 0.0f;
    float ps = __shfl_up_sync(FULL, pe, 1);
    if (lane == 0) ps = prev;
    float val = pe - ps;
    if (lane == 0) val += carry;
    if (done) y[idx] = val;
    if (n > 0) { prev = __shfl_sync(FULL, pe, n - 1); carry = 0.0f; }
    r += n;
    if (n < 32) break;
    end = r + lane < rows ? __ldg(row_ptr + r + lane + 1) : 0x7fffffff;
  }
  carry += total - prev;
}

#define WARPS 8
#define K 4
#define CH (32 * K)
#define RUN 2048
extern "C" __global__ void __launch_bounds__(WARPS * 32, 6) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int* __restrict__ work, int rows, int nnz) {
  __shared__ __align__(16) float smem[WARPS][CH + 4];
  int lane = threadIdx.x & 31, wl = threadIdx.x >> 5;
  int w = blockIdx.x * WARPS + wl;
  int lo = w * RUN, hi = min(lo + RUN, nnz);
  if (lo >= nnz) {
    if (lane == 0) { work[2 * w] = -1; work[2 * w + 1] = 0; }
    return;
  }
  float* sp = smem[wl];
  if (lane == 0) sp[3] = 0.0f;
  int c[K];
  float v[K];
#pragma unroll
  for (int k = 0; k < K; ++k) {
    int j = lo + lane + k * 32;
    c[k] = -1; v[k] = 0.0f;
    if (j < hi) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
  }
  int r = lo == 0 ? 0 : find_row(row_ptr, rows, lo, lane);
  float carry = 0.0f;
  for (int base = lo; base < hi; base += CH) {
    float xv[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      xv[k] = 0.0f;
      if (c[k] >= 0) xv[k] = ldx(x + c[k]);
    }
    int end = r + lane < rows ? __ldg(row_ptr + r + lane + 1) : 0x7fffffff;
    int nb = base + CH;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      float p = v[k];
      int j = nb + lane + k * 32;
      c[k] = -1; v[k] = 0.0f;
      if (j < hi) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
      sp[4 + k * 32 + lane] = p * xv[k];
    }
    __syncwarp();
    float total = warp_scan<CH / 128>(sp, lane);
    __syncwarp();
    emit_rows(y, sp, rows, base, min(nb, hi), row_ptr, end, total, lane, r, carry);
    __syncwarp();
  }
  if (lane == 0) { work[2 * w] = r < rows ? r : -1; work[2 * w + 1] = __float_as_int(carry); }
}
