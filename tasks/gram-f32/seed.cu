extern "C" __global__ void clear(float* g, int cols) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < cols * cols) {
    g[i] = 0.0f;
  }
}

extern "C" __global__ void gram(const float* x, float* g, int rows, int cols) {
  int element = blockIdx.x * blockDim.x + threadIdx.x;
  if (element >= cols * cols) {
    return;
  }
  int i = element / cols;
  int j = element % cols;
  float sum = 0.0f;
  for (int row = blockIdx.y; row < rows; row += gridDim.y) {
    sum += x[(size_t)row * cols + i] * x[(size_t)row * cols + j];
  }
  atomicAdd(&g[element], sum);
}
