// One thread per point and channel, channels in the grid's second dimension.
__device__ float voxel(const float* vol, int c, int z, int y, int x, int d, int h, int w) {
  z = z < 0 ? 0 : (z >= d ? d - 1 : z);
  y = y < 0 ? 0 : (y >= h ? h - 1 : y);
  x = x < 0 ? 0 : (x >= w ? w - 1 : x);
  return vol[(((long long)c * d + z) * h + y) * w + x];
}

extern "C" __global__ void sample(const float* vol, const float* points, float* out, int n, int c, int d, int h, int w) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int k = blockIdx.y;
  if (i >= n) {
    return;
  }
  float x = fminf(fmaxf(points[3 * i], 0.0f), 1.0f) * (w - 1);
  float y = fminf(fmaxf(points[3 * i + 1], 0.0f), 1.0f) * (h - 1);
  float z = fminf(fmaxf(points[3 * i + 2], 0.0f), 1.0f) * (d - 1);
  int ix = (int)floorf(x), iy = (int)floorf(y), iz = (int)floorf(z);
  float sum = 0.0f;
  for (int corner = 0; corner < 8; corner++) {
    int cx = ix + corner % 2, cy = iy + corner / 2 % 2, cz = iz + corner / 4;
    float weight = (1.0f - fabsf(x - cx)) * (1.0f - fabsf(y - cy)) * (1.0f - fabsf(z - cz));
    sum += weight * voxel(vol, k, cz, cy, cx, d, h, w);
  }
  out[(long long)i * c + k] = sum;
}
