extern "C" __global__ void transpose(const float* x, float* out, int rows, int cols) {
  int col = blockIdx.x * blockDim.x + threadIdx.x;
  int row = blockIdx.y;
  if (col < cols) {
    out[(size_t)col * rows + row] = x[(size_t)row * cols + col];
  }
}
