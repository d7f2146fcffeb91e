#include <cuda_fp16.h>

extern "C" __global__ void linear(const half* a, const half* b, half* c, int m, int n, int k) {
  __shared__ half tileA[16][16];
  __shared__ half tileB[16][16];
  int tx = threadIdx.x;
  int ty = threadIdx.y;
  int row = blockIdx.y * 16 + ty;
  int col = blockIdx.x * 16 + tx;
  int bRow = blockIdx.x * 16 + ty;
  float sum = 0.0f;
  for (int start = 0; start < k; start += 16) {
    int p = start + tx;
    tileA[ty][tx] = row < m && p < k ? a[row * k + p] : __float2half(0.0f);
    tileB[ty][tx] = bRow < n && p < k ? b[bRow * k + p] : __float2half(0.0f);
    __syncthreads();
    for (int i = 0; i < 16; i++) {
      sum += __half2float(tileA[ty][i]) * __half2float(tileB[tx][i]);
    }
    __syncthreads();
  }
  if (row < m && col < n) {
    c[row * n + col] = __float2half(sum);
  }
}
