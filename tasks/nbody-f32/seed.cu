// One thread per body; bodies are x, y, z, mass.
extern "C" __global__ void accelerations(const float* bodies, float* acc, int n, float softening) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float ax = 0.0f, ay = 0.0f, az = 0.0f;
  for (int j = 0; j < n; j++) {
    float dx = bodies[4 * j] - bodies[4 * i];
    float dy = bodies[4 * j + 1] - bodies[4 * i + 1];
    float dz = bodies[4 * j + 2] - bodies[4 * i + 2];
    float d2 = dx * dx + dy * dy + dz * dz + softening;
    float s = bodies[4 * j + 3] / (d2 * sqrtf(d2));
    ax += s * dx;
    ay += s * dy;
    az += s * dz;
  }
  acc[3 * i] = ax;
  acc[3 * i + 1] = ay;
  acc[3 * i + 2] = az;
}
