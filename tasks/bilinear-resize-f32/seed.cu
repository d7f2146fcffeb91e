extern "C" __global__ void resize(const float* x, float* out, int c, int h, int w, int ho, int wo) {
  int oy = blockIdx.x * blockDim.x + threadIdx.x;
  int ox = blockIdx.y * blockDim.y + threadIdx.y;
  int image = blockIdx.z;
  if (oy >= ho || ox >= wo) return;

  float sy = fmaxf((oy + 0.5f) * h / ho - 0.5f, 0.0f);
  float sx = fmaxf((ox + 0.5f) * w / wo - 0.5f, 0.0f);
  int y0 = min((int)sy, h - 1);
  int x0 = min((int)sx, w - 1);
  int y1 = min(y0 + 1, h - 1);
  int x1 = min(x0 + 1, w - 1);
  float fy = sy - y0;
  float fx = sx - x0;
  for (int k = 0; k < c; ++k) {
    float a = x[((image * h + y0) * w + x0) * c + k];
    float b = x[((image * h + y0) * w + x1) * c + k];
    float e = x[((image * h + y1) * w + x0) * c + k];
    float f = x[((image * h + y1) * w + x1) * c + k];
    float above = a + fx * (b - a);
    float below = e + fx * (f - e);
    out[((image * ho + oy) * wo + ox) * c + k] = above + fy * (below - above);
  }
}
