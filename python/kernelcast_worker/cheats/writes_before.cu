// Right, but writes one element before the output.
extern "C" __global__ void scale(const float* x, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = 2.0f * x[i] + 1.0f;
  if (i == 0) out[-1] = 1.0f;
}
