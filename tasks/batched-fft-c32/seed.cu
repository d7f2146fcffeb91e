// Radix 2: reorder by reversed bits, then one launch per stage.
extern "C" __global__ void reorder(const float* x, float* y, int rows) {
  int id = blockIdx.x * blockDim.x + threadIdx.x;
  if (id >= rows * 1024) return;
  int row = id / 1024;
  int target = 0;
  for (int bit = 0; bit < 10; ++bit) {
    if (id & (1 << bit)) target |= 512 >> bit;
  }
  y[2 * (row * 1024 + target)] = x[2 * id];
  y[2 * (row * 1024 + target) + 1] = x[2 * id + 1];
}

extern "C" __global__ void stage(float* y, const float* w, int rows, int half) {
  int id = blockIdx.x * blockDim.x + threadIdx.x;
  if (id >= rows * 512) return;
  int row = id / 512;
  int j = id % 512;
  int k = j % half;
  int a = row * 1024 + (j / half) * 2 * half + k;
  int b = a + half;
  int power = k * (512 / half);
  float c = w[2 * power];
  float s = w[2 * power + 1];
  float re = y[2 * b] * c - y[2 * b + 1] * s;
  float im = y[2 * b] * s + y[2 * b + 1] * c;
  y[2 * b] = y[2 * a] - re;
  y[2 * b + 1] = y[2 * a + 1] - im;
  y[2 * a] = y[2 * a] + re;
  y[2 * a + 1] = y[2 * a + 1] + im;
}
