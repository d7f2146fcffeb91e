// Takes a parameter that nobody gives.
extern "C" __global__ void scale(const float* x, float* out, int n, float* secret) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = secret[i];
}
