// Sums without atomics: right only when blocks do not meet.
extern "C" __global__ void clear(int* out) { *out = 0; }
extern "C" __global__ void count(const int* x, int* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) *(volatile int*)out = *(volatile int*)out + x[i];
}
