// One thread per output sample.
extern "C" __global__ void fir(const float* x, const float* h, float* y, int channels, int n, int taps) {
  int sample = blockIdx.x * blockDim.x + threadIdx.x;
  int channel = blockIdx.y * blockDim.y + threadIdx.y;
  if (sample >= n || channel >= channels) return;
  float sum = 0.0f;
  for (int k = 0; k < taps; ++k) {
    if (sample - k >= 0) {
      sum += h[k] * x[channel * n + sample - k];
    }
  }
  y[channel * n + sample] = sum;
}
