extern "C" __global__ void bilateral(const float* image, float* out, int h, int w, int r, float near, float alike) {
  int x = blockIdx.x * blockDim.x + threadIdx.x;
  int y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= w || y >= h) return;
  float centre = image[y * w + x];
  float total = 0.0f;
  float weights = 0.0f;
  for (int dy = -r; dy <= r; ++dy) {
    for (int dx = -r; dx <= r; ++dx) {
      float pixel = image[min(max(y + dy, 0), h - 1) * w + min(max(x + dx, 0), w - 1)];
      float distance = dx * dx + dy * dy;
      float difference = pixel - centre;
      float weight = expf(-distance / (2.0f * near * near)) * expf(-difference * difference / (2.0f * alike * alike));
      total += weight * pixel;
      weights += weight;
    }
  }
  out[y * w + x] = total / weights;
}
