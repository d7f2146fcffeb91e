// One block per query: every thread looks at each 128th code, thread 0 takes the smallest of what they found.
extern "C" __global__ void nearest_code(const unsigned int* queries, const unsigned int* codes, unsigned int* best, int n) {
  __shared__ unsigned int found[128];
  const unsigned int* query = queries + 8 * blockIdx.x;
  unsigned int lowest = 256;
  for (int i = threadIdx.x; i < n; i += 128) {
    unsigned int distance = 0;
    for (int w = 0; w < 8; ++w) {
      distance += __popc(query[w] ^ codes[8 * i + w]);
    }
    if (distance < lowest) lowest = distance;
  }
  found[threadIdx.x] = lowest;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int t = 1; t < 128; ++t) {
      if (found[t] < lowest) lowest = found[t];
    }
    best[blockIdx.x] = lowest;
  }
}
