__device__ void philox_round(unsigned int* v, unsigned int k0, unsigned int k1) {
  unsigned long long even = 0xD2511F53ull * v[0];
  unsigned long long odd = 0xCD9E8D57ull * v[2];
  unsigned int b = v[1], d = v[3];
  v[0] = (unsigned int)(odd >> 32) ^ b ^ k0;
  v[1] = (unsigned int)odd;
  v[2] = (unsigned int)(even >> 32) ^ d ^ k1;
  v[3] = (unsigned int)even;
}

extern "C" __global__ void copy_spins(const signed char* spins, signed char* out, int rows, int columns) {
  int y = blockIdx.x * blockDim.x + threadIdx.x;
  if (y >= rows) return;
  for (int x = 0; x < columns; ++x) out[y * columns + x] = spins[y * columns + x];
}

// One thread updates the sites of one colour in a row.
extern "C" __global__ void half_sweep(signed char* out, const unsigned int* thresholds, int rows, int columns, int step, int seed) {
  int y = blockIdx.x * blockDim.x + threadIdx.x;
  if (y >= rows) return;
  int up = (y + rows - 1) % rows, down = (y + 1) % rows;
  for (int q = 0; q < columns / 2; ++q) {
    int x = 2 * q + (y + step) % 2;
    int left = (x + columns - 1) % columns, right = (x + 1) % columns;
    int sum = out[up * columns + x] + out[down * columns + x] + out[y * columns + left] + out[y * columns + right];
    int k = (out[y * columns + x] * sum + 4) / 2;

    unsigned int v[4] = {(unsigned int)q / 4, (unsigned int)y, (unsigned int)step, 0u};
    unsigned int k0 = seed, k1 = 0;
    for (int round = 0; round < 7; ++round) {
      philox_round(v, k0, k1);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    if (v[q % 4] <= thresholds[k]) out[y * columns + x] = -out[y * columns + x];
  }
}
