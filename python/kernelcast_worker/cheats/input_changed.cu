// Overwrites its input.
extern "C" __global__ void scale(float* x, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  out[i] = 2.0f * x[i] + 1.0f;
  x[i] = 0.0f;
}
