// 8 lanes per row with two rows in flight per group (6 gathers a lane), long rows by the whole warp
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

#define LANES 8
#define D 3
#define LONG 160
extern "C" __global__ void __launch_bounds__(128, 10) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int rows) {
  int lane = threadIdx.x & 31, sub = lane & (LANES - 1), grp = lane / LANES;
  int r0 = ((blockIdx.x * blockDim.x + threadIdx.x) >> 5) * 8 + grp;
  int s[2], e[2];
  float sum[2];
  bool is_long[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    int row = r0 + 4 * i;
    s[i] = 0; e[i] = 0; sum[i] = 0.0f;
    if (row < rows) { s[i] = __ldg(row_ptr + row); e[i] = __ldg(row_ptr + row + 1); }
    is_long[i] = e[i] - s[i] > LONG;
  }
  int n0 = is_long[0] ? s[0] : e[0], n1 = is_long[1] ? s[1] : e[1];
  int steps = max(n0 - s[0], n1 - s[1]);
  for (int o = sub; o < steps; o += LANES * D) {
    int c[2][D];
    float v[2][D];
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int k = 0; k < D; ++k) {
        int j = s[i] + o + k * LANES;
        c[i][k] = -1; v[i][k] = 0.0f;
        if (j < (i ? n1 : n0)) { c[i][k] = ldi(cols + j); v[i][k] = ldf(vals + j); }
      }
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int k = 0; k < D; ++k) {
        float xv = 0.0f;
        if (c[i][k] >= 0) xv = ldx(x + c[i][k]);
        sum[i] += v[i][k] * xv;
      }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int d = LANES / 2; d; d >>= 1) sum[i] += __shfl_xor_sync(FULL, sum[i], d);
    unsigned m = __ballot_sync(FULL, is_long[i] && sub == 0);
    while (m) {
      int l = __ffs(m) - 1;
      m &= m - 1;
      int ls = __shfl_sync(FULL, s[i], l), le = __shfl_sync(FULL, e[i], l);
      float t = warp_sum(strided_dot<32, 6>(cols, vals, x, ls + lane, le));
      if (lane == l) sum[i] = t;
    }
    int row = r0 + 4 * i;
    if (sub == 0 && row < rows) y[row] = sum[i];
  }
}
