extern "C" __global__ void conv_relu_pool(const float* x, const float* weight, const float* bias, float* out,
                                          int c, int k, int h, int w) {
  int filter = blockIdx.x * blockDim.x + threadIdx.x;
  int px = blockIdx.y * blockDim.y + threadIdx.y;
  int py = blockIdx.z % (h / 2);
  int image = blockIdx.z / (h / 2);
  if (filter >= k || px >= w / 2) return;

  float best = 0.0f;
  for (int window = 0; window < 4; window++) {
    int cy = 2 * py + window / 2;
    int cx = 2 * px + window % 2;
    float sum = bias[filter];
    for (int channel = 0; channel < c; channel++) {
      for (int ky = 0; ky < 5; ky++) {
        for (int kx = 0; kx < 5; kx++) {
          int iy = cy + ky - 2;
          int ix = cx + kx - 2;
          if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
          sum += x[((image * c + channel) * h + iy) * w + ix] * weight[((filter * c + channel) * 5 + ky) * 5 + kx];
        }
      }
    }
    best = sum > best ? sum : best;
  }
  out[((image * k + filter) * (h / 2) + py) * (w / 2) + px] = best;
}
