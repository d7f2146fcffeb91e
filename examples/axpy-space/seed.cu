// y += a * x. The task's parameter space sets BLOCK and ITEMS.
extern "C" __global__ void axpy(const float* __restrict__ x, float* __restrict__ y, float a, int n) {
  int first = blockIdx.x * BLOCK * ITEMS + threadIdx.x;
#pragma unroll
  for (int k = 0; k < ITEMS; ++k) {
    int i = first + k * BLOCK;
    if (i < n) y[i] += a * x[i];
  }
}
