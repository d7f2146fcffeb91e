extern "C" __global__ void clear_counts(int* counts) {
  counts[blockIdx.x] = 0;
}

// One thread compares one pattern with the text at 256 places in a row.
extern "C" __global__ void count_pattern(const unsigned char* text, const unsigned char* patterns, const int* lengths, int* counts, int n) {
  const unsigned char* pattern = patterns + blockIdx.y * 16;
  int length = lengths[blockIdx.y];
  int first = (blockIdx.x * blockDim.x + threadIdx.x) * 256;
  for (int at = first; at < first + 256 && at + length <= n; ++at) {
    bool same = true;
    for (int k = 0; k < length; ++k) {
      if (text[at + k] != pattern[k]) same = false;
    }
    if (same) atomicAdd(&counts[blockIdx.y], 1);
  }
}
