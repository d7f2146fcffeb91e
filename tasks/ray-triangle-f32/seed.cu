// One thread per ray; every triangle by the test of Moeller and Trumbore.
extern "C" __global__ void nearest_hits(const float* rays, const float* triangles, float* nearest, int n, int m) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float* o = rays + 6 * i;
  const float* d = o + 3;
  nearest[i] = 100.0f;
  for (int k = 0; k < m; ++k) {
    const float* a = triangles + 9 * k;
    float e[3], f[3], s[3];
    for (int c = 0; c < 3; ++c) {
      e[c] = a[3 + c] - a[c];
      f[c] = a[6 + c] - a[c];
      s[c] = o[c] - a[c];
    }
    float p[3] = {d[1] * f[2] - d[2] * f[1], d[2] * f[0] - d[0] * f[2], d[0] * f[1] - d[1] * f[0]};
    float q[3] = {s[1] * e[2] - s[2] * e[1], s[2] * e[0] - s[0] * e[2], s[0] * e[1] - s[1] * e[0]};
    float det = e[0] * p[0] + e[1] * p[1] + e[2] * p[2];
    float u = (s[0] * p[0] + s[1] * p[1] + s[2] * p[2]) / det;
    float v = (d[0] * q[0] + d[1] * q[1] + d[2] * q[2]) / det;
    float t = (f[0] * q[0] + f[1] * q[1] + f[2] * q[2]) / det;
    if (u >= 0.0f && v >= 0.0f && u + v <= 1.0f && t > 0.0f && t < nearest[i]) {
      nearest[i] = t;
    }
  }
}
