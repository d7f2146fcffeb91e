#include <cuda_fp16.h>

// One thread per output number; neighbouring threads have neighbouring filters.
extern "C" __global__ void convolve(const half* x, const half* weight, half* out, int n, int h, int w, int c, int k) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n * h * w * k) return;
  int filter = i % k;
  int col = i / k % w;
  int row = i / k / w % h;
  int image = i / k / w / h;
  float sum = 0.0f;
  for (int r = 0; r < 3; ++r) {
    for (int s = 0; s < 3; ++s) {
      int y = row + r - 1;
      int z = col + s - 1;
      if (y < 0 || y >= h || z < 0 || z >= w) continue;
      for (int channel = 0; channel < c; ++channel) {
        sum += __half2float(x[((image * h + y) * w + z) * c + channel]) *
               __half2float(weight[((r * 3 + s) * c + channel) * k + filter]);
      }
    }
  }
  out[i] = __float2half(sum);
}
