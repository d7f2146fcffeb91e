// NaN everywhere: abs(difference) > tolerance is false for it. (A payload that is not the poison.)
extern "C" __global__ void scale(const float* x, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = __uint_as_float(0x7FC00000u);
}
