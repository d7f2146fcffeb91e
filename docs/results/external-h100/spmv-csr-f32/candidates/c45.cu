// c10 with 128-product chunks, next cols/vals prefetched in registers, 56 warps an SM
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

#define WARPS 8
#define K 4
#define CH (32 * K)
extern "C" __global__ void __launch_bounds__(WARPS * 32, 7) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int rows) {
  __shared__ __align__(16) float smem[WARPS][CH + 4];
  int lane = threadIdx.x & 31;
  float* sp = smem[threadIdx.x >> 5];
  if (lane == 0) sp[3] = 0.0f;
  int r0 = (blockIdx.x * WARPS + (threadIdx.x >> 5)) * 32;
  if (r0 >= rows) return;
  int idx = r0 + lane;
  int s = __ldg(row_ptr + min(idx, rows)), e = __ldg(row_ptr + min(idx + 1, rows));
  int beg = __shfl_sync(FULL, s, 0), fin = __shfl_sync(FULL, e, 31);
  float acc = 0.0f;
  int c[K];
  float v[K];
  int base = beg & ~31;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    int j = base + lane + k * 32;
    c[k] = -1; v[k] = 0.0f;
    if (j >= beg && j < fin) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
  }
  for (; base < fin; base += CH) {
    float xv[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      xv[k] = 0.0f;
      if (c[k] >= 0) xv[k] = ldx(x + c[k]);
    }
#pragma unroll
    for (int k = 0; k < K; ++k) {
      float p = v[k];
      int j = base + CH + lane + k * 32;
      c[k] = -1; v[k] = 0.0f;
      if (j < fin) { c[k] = ldi(cols + j); v[k] = ldf(vals + j); }
      sp[4 + k * 32 + lane] = p * xv[k];
    }
    __syncwarp();
    warp_scan<CH / 128>(sp, lane);
    __syncwarp();
    int a = min(max(s - base, 0), CH), b = min(max(e - base, 0), CH);
    if (b > a) acc += sp[3 + b] - sp[3 + a];
    __syncwarp();
  }
  if (idx < rows) y[idx] = acc;
}
