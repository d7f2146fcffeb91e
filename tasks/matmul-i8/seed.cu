extern "C" __global__ void matmul_i8(const signed char* a, const signed char* b, int* c, int m, int n, int k) {
  __shared__ signed char a_tile[16][16];
  __shared__ signed char b_tile[16][16];
  int tx = threadIdx.x;
  int ty = threadIdx.y;
  int row = blockIdx.y * 16 + ty;
  int col = blockIdx.x * 16 + tx;
  int b_row = blockIdx.x * 16 + ty;
  int sum = 0;
  for (int start = 0; start < k; start += 16) {
    int p = start + tx;
    a_tile[ty][tx] = row < m && p < k ? a[(size_t)row * k + p] : 0;
    b_tile[ty][tx] = b_row < n && p < k ? b[(size_t)b_row * k + p] : 0;
    __syncthreads();
    for (int i = 0; i < 16; i++) {
      sum += a_tile[ty][i] * b_tile[tx][i];
    }
    __syncthreads();
  }
  if (row < m && col < n) {
    c[(size_t)row * n + col] = sum;
  }
}
