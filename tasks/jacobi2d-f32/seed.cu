// One sweep; consecutive threads take the cells of a column.
extern "C" __global__ void relax(const float* from, const float* force, float* to, int nx, int ny) {
  int id = blockIdx.x * blockDim.x + threadIdx.x;
  if (id >= nx * ny) return;
  int x = id / ny;
  int y = id % ny;
  if (x == 0 || y == 0 || x == nx - 1 || y == ny - 1) {
    to[y * nx + x] = from[y * nx + x];
    return;
  }
  float sum = 0.0f;
  for (int dy = -1; dy <= 1; ++dy) {
    for (int dx = -1; dx <= 1; ++dx) {
      if (dx == 0 && dy == 0) continue;
      float weight = dx == 0 || dy == 0 ? 0.2f : 0.05f;
      sum += weight * from[(y + dy) * nx + x + dx];
    }
  }
  to[y * nx + x] = sum + force[y * nx + x];
}
