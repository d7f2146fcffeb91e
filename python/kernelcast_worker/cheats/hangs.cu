// Never ends.
extern "C" __global__ void scale(const float* x, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  while (((volatile const float*)x)[0] < 1e30f) {
  }
  if (i < n) out[i] = 2.0f * x[i] + 1.0f;
}
