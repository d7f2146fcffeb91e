// Persistent warps: each takes one equal run of entries (about 3970), register prefetch of the next 256 cols/vals behind the gathers, prefix differences, carry fix-up kernel
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
__device__ __forceinline__ void emit_rows(const int* row_ptr, float* y, const float* sp, int rows, int base, int lim,
                                          float total, int lane, int& r, float& carry) {
  float prev = 0.0f;
  while (true) {
    int idx = r + lane;
    int end = 0x7fffffff;
    if (idx < rows) end = __ldg(row_ptr + idx + 1);
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
  }
  carry += total - prev;
}
#define WARPS 8
#define K 8
#define CH (32 * K)
extern "C" __global__ void __launch_bounds__(WARPS * 32, 4) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int* __restrict__ work, int rows, int nnz) {

  __shared__ __align__(16) float smem[WARPS][CH + 4];

  int lane = threadIdx.x & 31, wl = threadIdx.x >> 5;
  int w = blockIdx.x * WARPS + wl;
  int per = (nnz + gridDim.x * WARPS - 1) / (gridDim.x * WARPS);
  per = (per + 127) / 128 * 128;
  long long lo64 = (long long)w * per;
  if (lo64 >= nnz) {
    if (lane == 0) { work[2 * w] = -1; work[2 * w + 1] = 0; }
    return;
  }
  int lo = (int)lo64, hi = (int)min(lo64 + per, (long long)nnz);

  float* sp = smem[wl];
  if (lane == 0) sp[3] = 0.0f;
  int c[K];
  float v[K];
#pragma unroll
  for (int k = 0; k < K; ++k) {
    int j = lo + lane + k * 32;
    c[k] = 0; v[k] = 0.0f;
    if (j < hi) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
  }
  int r = lo == 0 ? 0 : find_row(row_ptr, rows, lo, lane);
  float carry = 0.0f;
  for (int base = lo; base < hi; base += CH) {
    float xv[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      xv[k] = 0.0f;
      if (base + lane + k * 32 < hi) xv[k] = ldx(x + c[k]);
    }
    int nb = base + CH;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      float p = v[k];
      int j = nb + lane + k * 32;
      c[k] = 0; v[k] = 0.0f;
      if (j < hi) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
      sp[4 + k * 32 + lane] = p * xv[k];
    }
    __syncwarp();
    float total = warp_scan<CH / 128>(sp, lane);
    __syncwarp();
    emit_rows(row_ptr, y, sp, rows, base, min(nb, hi), total, lane, r, carry);
    __syncwarp();
  }

  if (lane == 0) { work[2 * w] = r < rows ? r : -1; work[2 * w + 1] = __float_as_int(carry); }
}
