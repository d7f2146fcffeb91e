extern "C" __global__ void viterbi(const float* emissions, const float* transitions, float* score, int* path,
                                   float* rows, int* back, int steps, int states) {
  int s = threadIdx.x;
  size_t base = (size_t)blockIdx.x * steps * states;
  emissions += base;
  rows += base;
  back += base;
  rows[s] = emissions[s];
  __syncthreads();
  for (int t = 1; t < steps; t++) {
    const float* previous = rows + (t - 1) * states;
    float best = previous[0] + transitions[s];
    int from = 0;
    for (int i = 1; i < states; i++) {
      float candidate = previous[i] + transitions[i * states + s];
      if (candidate > best) {
        best = candidate;
        from = i;
      }
    }
    rows[t * states + s] = best + emissions[t * states + s];
    back[t * states + s] = from;
    __syncthreads();
  }
  if (s == 0) {
    const float* last = rows + (steps - 1) * states;
    int state = 0;
    for (int i = 1; i < states; i++) {
      if (last[i] > last[state]) {
        state = i;
      }
    }
    score[blockIdx.x] = last[state];
    for (int t = steps - 1; t >= 0; t--) {
      path[blockIdx.x * steps + t] = state;
      if (t > 0) {
        state = back[t * states + state];
      }
    }
  }
}
