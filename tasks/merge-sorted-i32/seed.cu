// One thread per row takes the smallest head of its runs, again and again.
extern "C" __global__ void merge_runs(const int* x, int* y, int rows, int runs, int length) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  const int* in = x + (size_t)row * runs * length;
  int* out = y + (size_t)row * runs * length;
  int taken[16];
  for (int r = 0; r < runs; ++r) taken[r] = 0;
  for (int i = 0; i < runs * length; ++i) {
    int smallest = -1;
    for (int r = 0; r < runs; ++r) {
      if (taken[r] == length) continue;
      if (smallest < 0 || in[r * length + taken[r]] < in[smallest * length + taken[smallest]]) smallest = r;
    }
    out[i] = in[smallest * length + taken[smallest]];
    taken[smallest] += 1;
  }
}
