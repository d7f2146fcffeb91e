extern "C" __global__ void selective_scan(const float* x, const float* delta, const float* a, const float* b,
                                          const float* c, const float* skip, float* y, float* state, int batch,
                                          int length, int channels, int states) {
  int id = blockIdx.x * blockDim.x + threadIdx.x;
  if (id >= batch * channels) {
    return;
  }
  int channel = id % channels;
  int row = id / channels * length;
  float* h = state + (size_t)id * states;
  for (int n = 0; n < states; n++) {
    h[n] = 0.0f;
  }
  for (int t = 0; t < length; t++, row++) {
    float in = x[row * channels + channel];
    float step = delta[row * channels + channel];
    float sum = skip[channel] * in;
    for (int n = 0; n < states; n++) {
      h[n] = expf(step * a[channel * states + n]) * h[n] + step * in * b[row * states + n];
      sum += c[row * states + n] * h[n];
    }
    y[row * channels + channel] = sum;
  }
}
