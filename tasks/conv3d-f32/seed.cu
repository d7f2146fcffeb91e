extern "C" __global__ void convolve(const float* x, const float* weight, float* out, int cin, int d, int h, int w) {
  int col = blockIdx.x * blockDim.x + threadIdx.x;
  int row = blockIdx.y * blockDim.y + threadIdx.y;
  int slice = blockIdx.z % d;
  int filter = blockIdx.z / d;
  if (col >= w || row >= h) return;

  float sum = 0.0f;
  for (int c = 0; c < cin; ++c) {
    for (int a = 0; a < 3; ++a) {
      for (int b = 0; b < 3; ++b) {
        for (int e = 0; e < 3; ++e) {
          int z = slice + a - 1;
          int y = row + b - 1;
          int q = col + e - 1;
          if (z < 0 || z >= d || y < 0 || y >= h || q < 0 || q >= w) continue;
          sum += x[((c * d + z) * h + y) * w + q] * weight[(filter * cin + c) * 27 + (a * 3 + b) * 3 + e];
        }
      }
    }
  }
  out[((filter * d + slice) * h + row) * w + col] = sum;
}
