// One thread computes the loss of one row.
extern "C" __global__ void cross_entropy(const float* logits, const int* labels, float* loss, int rows, int cols) {
  int r = blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= rows) return;
  const float* row = logits + (size_t)r * cols;
  float highest = row[0];
  for (int c = 1; c < cols; ++c) {
    if (row[c] > highest) highest = row[c];
  }
  float total = 0.0f;
  for (int c = 0; c < cols; ++c) {
    total += expf(row[c] - highest);
  }
  loss[r] = highest + logf(total) - row[labels[r]];
}
