// Honest but slow: a long dependent chain before each result.
extern "C" __global__ void scale(const float* x, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float a = x[i];
  for (int k = 0; k < 2000; ++k) a = a * 0.999f + 0.001f;
  out[i] = 2.0f * x[i] + 1.0f + (a == 12345.0f ? 1.0f : 0.0f);
}
