// 16 lanes per row, 2 loads in flight, full occupancy
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

template <int STRIDE, int DEPTH>
__device__ __forceinline__ float strided_dot(const int* cols, const float* vals, const float* x, int j, int e) {
  float sum = 0.0f;
  for (; j < e; j += STRIDE * DEPTH) {
    int c[DEPTH];
    float v[DEPTH];
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
      int jj = j + k * STRIDE;
      c[k] = 0;
      v[k] = 0.0f;
      if (jj < e) { c[k] = ldi(cols + jj); v[k] = ldf(vals + jj); }
    }
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
      float xv = 0.0f;
      if (j + k * STRIDE < e) xv = ldx(x + c[k]);
      sum += v[k] * xv;
    }
  }
  return sum;
}
#define LANES 16
#define DEPTH 2

extern "C" __global__ void __launch_bounds__(256, 8) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int rows) {
  int gid = blockIdx.x * blockDim.x + threadIdx.x;
  int row = gid / LANES, sub = gid % LANES;
  int s = 0, e = 0;
  if (row < rows) { s = __ldg(row_ptr + row); e = __ldg(row_ptr + row + 1); }
  float sum = strided_dot<LANES, DEPTH>(cols, vals, x, s + sub, e);
#pragma unroll
  for (int d = LANES / 2; d; d >>= 1) sum += __shfl_xor_sync(FULL, sum, d);
  if (sub == 0 && row < rows) y[row] = sum;
}
