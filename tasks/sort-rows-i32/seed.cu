// Each number's place is the count of the numbers that go before it.
extern "C" __global__ void sort_rows(const int* x, int* y, int cols) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= cols) return;
  const int* row = x + (size_t)blockIdx.y * cols;
  int value = row[i];
  int place = 0;
  for (int j = 0; j < cols; j++) {
    if (row[j] < value || (row[j] == value && j < i)) {
      place++;
    }
  }
  y[(size_t)blockIdx.y * cols + place] = value;
}
