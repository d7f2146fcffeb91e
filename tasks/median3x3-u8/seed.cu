extern "C" __global__ void median(const unsigned char* image, unsigned char* out, int h, int w) {
  int x = blockIdx.x * blockDim.x + threadIdx.x;
  int y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= w || y >= h) return;

  unsigned char values[9];
  int count = 0;
  for (int dy = -1; dy <= 1; ++dy) {
    for (int dx = -1; dx <= 1; ++dx) {
      int row = min(max(y + dy, 0), h - 1);
      int col = min(max(x + dx, 0), w - 1);
      unsigned char value = image[(size_t)row * w + col];
      int place = count++;
      while (place > 0 && values[place - 1] > value) {
        values[place] = values[place - 1];
        --place;
      }
      values[place] = value;
    }
  }
  out[(size_t)y * w + x] = values[4];
}
