
// Overlap-save by a 4096-point complex FFT (16 * 16 * 16, 256 threads of 16 points): a pair of channels is one complex signal.
__device__ float2 g_spec[4096];  // spectrum of h / 4096, at [k2][k0 * 16 + k1] for the frequency k0 + 16 k1 + 256 k2
__device__ float2 g_tw[256];     // exp(-2 pi i t / 4096)

extern "C" __global__ void spectrum(const float* __restrict__ h, int taps) {
  int e = blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= 4096) return;
  int k = ((e & 255) >> 4) + 16 * (e & 15) + 256 * (e >> 8);
  float re = 0.0f, im = 0.0f;
#pragma unroll 4
  for (int j = 0; j < taps; ++j) {
    float s, c;
    sincospif((float)(j * k & 4095) * (1.0f / 2048.0f), &s, &c);
    re = fmaf(h[j], c, re);
    im = fmaf(-h[j], s, im);
  }
  g_spec[e] = make_float2(re * (1.0f / 4096.0f), im * (1.0f / 4096.0f));
  if (e < 256) {
    float s, c;
    sincospif((float)e * (1.0f / 2048.0f), &s, &c);
    g_tw[e] = make_float2(c, -s);
  }
}
__device__ __forceinline__ float2 mul(float2 a, float2 b) { return make_float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }
// DIR = 1: forward, -1: inverse.
template <int DIR> __device__ __forceinline__ void dft4(float2& a, float2& b, float2& c, float2& d) {
  float2 s = make_float2(a.x + c.x, a.y + c.y), m = make_float2(a.x - c.x, a.y - c.y);
  float2 u = make_float2(b.x + d.x, b.y + d.y), v = make_float2(b.x - d.x, b.y - d.y);
  a = make_float2(s.x + u.x, s.y + u.y);
  c = make_float2(s.x - u.x, s.y - u.y);
  b = DIR > 0 ? make_float2(m.x + v.y, m.y - v.x) : make_float2(m.x - v.y, m.y + v.x);
  d = DIR > 0 ? make_float2(m.x - v.y, m.y + v.x) : make_float2(m.x + v.y, m.y - v.x);
}
template <int DIR> __device__ __forceinline__ void dft16(float2 (&a)[16]) {
  const float c1 = 0.92387953251128674f, s1 = 0.38268343236508977f, c2 = 0.70710678118654752f;
  const float D = DIR > 0 ? -1.0f : 1.0f;
#pragma unroll
  for (int i = 0; i < 4; ++i) dft4<DIR>(a[i], a[4 + i], a[8 + i], a[12 + i]);
  // a[4 * k0 + i]: times exp(-+ 2 pi i k0 i / 16)
  a[5] = mul(a[5], make_float2(c1, D * s1));
  a[6] = mul(a[6], make_float2(c2, D * c2));
  a[7] = mul(a[7], make_float2(s1, D * c1));
  a[9] = mul(a[9], make_float2(c2, D * c2));
  a[10] = DIR > 0 ? make_float2(a[10].y, -a[10].x) : make_float2(-a[10].y, a[10].x);
  a[11] = mul(a[11], make_float2(-c2, D * c2));
  a[13] = mul(a[13], make_float2(s1, D * c1));
  a[14] = mul(a[14], make_float2(-c2, D * c2));
  a[15] = mul(a[15], make_float2(-c1, -D * s1));
#pragma unroll
  for (int k = 0; k < 4; ++k) dft4<DIR>(a[4 * k], a[4 * k + 1], a[4 * k + 2], a[4 * k + 3]);
  // frequency k0 + 4 k1 lies at 4 k0 + k1: transpose the names
#pragma unroll
  for (int k = 0; k < 4; ++k)
#pragma unroll
    for (int i = k + 1; i < 4; ++i) { float2 v = a[4 * k + i]; a[4 * k + i] = a[4 * i + k]; a[4 * i + k] = v; }
}
// a[j] *= w^j
__device__ __forceinline__ void twiddle(float2 (&a)[16], float2 w1) {
  float2 w2 = mul(w1, w1), w3 = mul(w2, w1), w4 = mul(w2, w2), w8 = mul(w4, w4), w12 = mul(w8, w4);
  a[1] = mul(a[1], w1); a[2] = mul(a[2], w2); a[3] = mul(a[3], w3);
  a[4] = mul(a[4], w4); a[5] = mul(a[5], mul(w4, w1)); a[6] = mul(a[6], mul(w4, w2)); a[7] = mul(a[7], mul(w4, w3));
  a[8] = mul(a[8], w8); a[9] = mul(a[9], mul(w8, w1)); a[10] = mul(a[10], mul(w8, w2)); a[11] = mul(a[11], mul(w8, w3));
  a[12] = mul(a[12], w12); a[13] = mul(a[13], mul(w12, w1)); a[14] = mul(a[14], mul(w12, w2)); a[15] = mul(a[15], mul(w12, w3));
}
extern "C" __global__ void __launch_bounds__(256, 3) fft_filter(const float* __restrict__ x, float* __restrict__ y, int channels, int n) {
  __shared__ float2 s[4352];
  const int t = threadIdx.x, start = blockIdx.x * 4000 - 96, ch = blockIdx.y * 2;
  const bool two = ch + 1 < channels;
  const float* xa = x + (size_t)ch * n;
  float2 a[16];
#pragma unroll
  for (int j = 0; j < 16; ++j) {
    int i = start + 256 * j + t;
    bool in = i >= 0 && i < n;
    a[j] = make_float2(in ? __ldg(xa + i) : 0.0f, in && two ? __ldg(xa + n + i) : 0.0f);
  }
  const float2 wa = g_tw[t], wb = g_tw[16 * (t & 15)];
  const int p0 = t + (t >> 4);                      // [j][t]: + 272 j
  const int p1 = (t >> 4) * 272 + (t & 15);         // [k0][j][n2]: + 17 j
  const int p2 = t * 17;                            // [k0][k1][j]: + j
  dft16<1>(a);
  twiddle(a, wa);
#pragma unroll
  for (int j = 0; j < 16; ++j) s[p0 + 272 * j] = a[j];
  __syncthreads();
#pragma unroll
  for (int j = 0; j < 16; ++j) a[j] = s[p1 + 17 * j];
  dft16<1>(a);
  twiddle(a, wb);
#pragma unroll
  for (int j = 0; j < 16; ++j) s[p1 + 17 * j] = a[j];
  __syncwarp();
#pragma unroll
  for (int j = 0; j < 16; ++j) a[j] = s[p2 + j];
  dft16<1>(a);
#pragma unroll
  for (int j = 0; j < 16; ++j) a[j] = mul(a[j], g_spec[256 * j + t]);
  dft16<-1>(a);
#pragma unroll
  for (int j = 0; j < 16; ++j) s[p2 + j] = a[j];
  __syncwarp();
#pragma unroll
  for (int j = 0; j < 16; ++j) a[j] = s[p1 + 17 * j];
  twiddle(a, make_float2(wb.x, -wb.y));
  dft16<-1>(a);
#pragma unroll
  for (int j = 0; j < 16; ++j) s[p1 + 17 * j] = a[j];
  __syncthreads();
#pragma unroll
  for (int j = 0; j < 16; ++j) a[j] = s[p0 + 272 * j];
  twiddle(a, make_float2(wa.x, -wa.y));
  dft16<-1>(a);
  float* ya = y + (size_t)ch * n;
#pragma unroll
  for (int j = 0; j < 16; ++j) {
    int i = start + 256 * j + t;
    if (256 * j + t >= 96 && i < n) {
      ya[i] = a[j].x;
      if (two) ya[n + i] = a[j].y;
    }
  }
}
