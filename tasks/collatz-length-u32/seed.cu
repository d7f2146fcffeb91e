extern "C" __global__ void collatz(const unsigned int* numbers, int* lengths, int n) {
  int first = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
  for (int i = first; i < first + 4 && i < n; i++) {
    unsigned long long value = numbers[i];
    int count = 0;
    while (value != 1) {
      if (value % 2 == 0) {
        value = value / 2;
      } else {
        value = 3 * value + 1;
      }
      count = count + 1;
    }
    lengths[i] = count;
  }
}
