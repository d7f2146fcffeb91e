// 8 lanes per row with aligned 16-byte loads (32 items a step), long rows by the whole warp
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

__device__ __forceinline__ int4 ldi4(const int* p) {
  int4 v; asm("ld.global.nc.L1::no_allocate.v4.s32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p)); return v;
}
__device__ __forceinline__ float4 ldf4(const float* p) {
  float4 v; asm("ld.global.nc.L1::no_allocate.v4.f32 {%0,%1,%2,%3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(p)); return v;
}

#define LANES 8
#define LONG 192
// Items [s, e) of a row, 4 consecutive aligned items per lane and step.
template <int G>
__device__ __forceinline__ float vec_dot(const int* cols, const float* vals, const float* x, int s, int e, int sub, int nnz) {
  float sum = 0.0f;
  if (s >= e) return sum;
  for (int j = (s & ~3) + 4 * sub; j < e; j += 4 * G) {
    int4 c = make_int4(0, 0, 0, 0);
    float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (j + 3 < nnz) {
      c = ldi4(cols + j);
      v = ldf4(vals + j);
    } else {
      c.x = ldi(cols + j); v.x = ldf(vals + j);
      if (j + 1 < nnz) { c.y = ldi(cols + j + 1); v.y = ldf(vals + j + 1); }
      if (j + 2 < nnz) { c.z = ldi(cols + j + 2); v.z = ldf(vals + j + 2); }
    }
    float a = 0.0f, b = 0.0f, g = 0.0f, h = 0.0f;
    if (j >= s) a = ldx(x + c.x);
    if (j + 1 >= s && j + 1 < e) b = ldx(x + c.y);
    if (j + 2 >= s && j + 2 < e) g = ldx(x + c.z);
    if (j + 3 >= s && j + 3 < e) h = ldx(x + c.w);
    sum += (v.x * a + v.y * b) + (v.z * g + v.w * h);
  }
  return sum;
}
extern "C" __global__ void __launch_bounds__(256, 6) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int rows, int nnz) {
  int gid = blockIdx.x * blockDim.x + threadIdx.x;
  int row = gid / LANES, sub = gid % LANES, lane = threadIdx.x & 31;
  int s = 0, e = 0;
  if (row < rows) { s = __ldg(row_ptr + row); e = __ldg(row_ptr + row + 1); }
  bool is_long = e - s > LONG;
  float sum = vec_dot<LANES>(cols, vals, x, s, is_long ? s : e, sub, nnz);
#pragma unroll
  for (int d = LANES / 2; d; d >>= 1) sum += __shfl_xor_sync(FULL, sum, d);
  unsigned m = __ballot_sync(FULL, is_long && sub == 0);
  while (m) {
    int l = __ffs(m) - 1;
    m &= m - 1;
    int ls = __shfl_sync(FULL, s, l), le = __shfl_sync(FULL, e, l);
    float t = warp_sum(vec_dot<32>(cols, vals, x, ls, le, lane, nnz));
    if (lane == l) sum = t;
  }
  if (sub == 0 && row < rows) y[row] = sum;
}
