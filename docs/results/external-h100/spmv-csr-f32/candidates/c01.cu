// Classic vector CSR: one warp per row, coalesced, shuffle reduction
extern "C" __global__ void __launch_bounds__(256) spmv(const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals,
    const float* __restrict__ x, float* __restrict__ y, int rows) {
  int row = (blockIdx.x * blockDim.x + threadIdx.x) >> 5;
  int lane = threadIdx.x & 31;
  if (row >= rows) return;
  int e = row_ptr[row + 1];
  float sum = 0.0f;
  for (int j = row_ptr[row] + lane; j < e; j += 32) sum += vals[j] * __ldg(x + cols[j]);
#pragma unroll
  for (int d = 16; d; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
  if (lane == 0) y[row] = sum;
}
