// Allocates on the device heap, which outlives a launch.
extern "C" __global__ void scale(const float* x, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float* p = (float*)malloc(4);
  if (!p) return;
  *p = x[i];
  if (i < n) out[i] = 2.0f * *p + 1.0f;
  free(p);
}
