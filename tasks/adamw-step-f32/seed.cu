// Each thread owns 64 neighbouring parameters; one launch per line of the algorithm.
#define RUN 64

__device__ long long run_start() {
  return ((long long)blockIdx.x * blockDim.x + threadIdx.x) * RUN;
}

extern "C" __global__ void update_moments(float* m, float* v, const float* grad, int n, float beta1, float beta2) {
  long long start = run_start();
  for (long long i = start; i < start + RUN && i < n; ++i) {
    m[i] = beta1 * m[i] + (1.0f - beta1) * grad[i];
    v[i] = beta2 * v[i] + (1.0f - beta2) * grad[i] * grad[i];
  }
}

extern "C" __global__ void correct_moments(const float* m, const float* v, float* scratch, int n, float beta1,
                                           float beta2, int step) {
  long long start = run_start();
  for (long long i = start; i < start + RUN && i < n; ++i) {
    scratch[i] = m[i] / (1.0f - powf(beta1, (float)step));
    scratch[n + i] = v[i] / (1.0f - powf(beta2, (float)step));
  }
}

extern "C" __global__ void decay_weights(float* param, int n, float rate, float decay) {
  long long start = run_start();
  for (long long i = start; i < start + RUN && i < n; ++i) {
    param[i] -= rate * decay * param[i];
  }
}

extern "C" __global__ void apply_update(float* param, const float* scratch, int n, float rate, float epsilon) {
  long long start = run_start();
  for (long long i = start; i < start + RUN && i < n; ++i) {
    param[i] -= rate * scratch[i] / (sqrtf(scratch[n + i]) + epsilon);
  }
}
