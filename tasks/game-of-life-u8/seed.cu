// One generation; a thread per cell.
extern "C" __global__ void evolve(const unsigned char* from, unsigned char* to, int height, int width) {
  int x = blockIdx.x * blockDim.x + threadIdx.x;
  int y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  int neighbours = 0;
  for (int dy = -1; dy <= 1; ++dy) {
    for (int dx = -1; dx <= 1; ++dx) {
      if (dx != 0 || dy != 0) {
        neighbours += from[(y + dy + height) % height * width + (x + dx + width) % width];
      }
    }
  }
  if (from[y * width + x] == 1) {
    to[y * width + x] = neighbours == 2 || neighbours == 3;
  } else {
    to[y * width + x] = neighbours == 3;
  }
}
