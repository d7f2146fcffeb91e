// Bold: the gather of x itself is 4-byte cp.async into shared memory (512 in flight a warp with few registers), then prefix differences
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

__device__ __forceinline__ unsigned sptr(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void cp16(unsigned dst, const void* src, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(dst), "l"(src), "r"(bytes) : "memory");
}
__device__ __forceinline__ void cp4(unsigned dst, const void* src, int bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(dst), "l"(src), "r"(bytes) : "memory");
}
__device__ __forceinline__ void cp_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> __device__ __forceinline__ void cp_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

#define WARPS 8
#define K 16
#define CH (32 * K)
extern "C" __global__ void __launch_bounds__(WARPS * 32, 6) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int rows) {
  extern __shared__ __align__(16) float dyn[];
  int lane = threadIdx.x & 31, wl = threadIdx.x >> 5;
  float* sp = dyn + wl * (2 * CH + 4);
  float* sx = sp + CH + 4;
  if (lane == 0) sp[3] = 0.0f;
  int r0 = (blockIdx.x * WARPS + wl) * 32;
  if (r0 >= rows) return;

  int idx = r0 + lane;
  int s = __ldg(row_ptr + min(idx, rows)), e = __ldg(row_ptr + min(idx + 1, rows));
  int beg = __shfl_sync(FULL, s, 0), fin = __shfl_sync(FULL, e, 31);
  float acc = 0.0f;

  for (int base = beg & ~31; base < fin; base += CH) {
    // Values and gathered x go straight to shared memory; only columns pass through registers.
#pragma unroll
    for (int k = 0; k < K; ++k) {
      int j = base + lane + k * 32;
      bool ok = j >= beg && j < fin;
      cp4(sptr(sp + 4 + k * 32 + lane), vals + (ok ? j : beg), ok ? 4 : 0);
    }
    int c[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      int j = base + lane + k * 32;
      c[k] = -1;
      if (j >= beg && j < fin) c[k] = ldi(cols + j);
    }
#pragma unroll
    for (int k = 0; k < K; ++k) cp4(sptr(sx + k * 32 + lane), x + max(c[k], 0), c[k] >= 0 ? 4 : 0);
    cp_commit();
    cp_wait<0>();
#pragma unroll
    for (int k = 0; k < K; ++k) sp[4 + k * 32 + lane] *= sx[k * 32 + lane];
    __syncwarp();
    warp_scan<CH / 128>(sp, lane);
    __syncwarp();
    int a = min(max(s - base, 0), CH), b = min(max(e - base, 0), CH);
    acc += sp[3 + b] - sp[3 + a];
    __syncwarp();
  }
  if (idx < rows) y[idx] = acc;
}
