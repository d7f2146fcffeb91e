extern "C" __global__ void sweep(const float* u, float* out, int nx, int ny, int nz) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int j = blockIdx.y * blockDim.y + threadIdx.y;
  int k = blockIdx.z * blockDim.z + threadIdx.z;
  if (i >= nz || j >= ny || k >= nx) return;

  int cell = (i * ny + j) * nx + k;
  if (i < 2 || i >= nz - 2 || j < 2 || j >= ny - 2 || k < 2 || k >= nx - 2) {
    out[cell] = u[cell];
    return;
  }
  int plane = nx * ny;
  float near = u[cell - 1] + u[cell + 1] + u[cell - nx] + u[cell + nx] + u[cell - plane] + u[cell + plane];
  float far = u[cell - 2] + u[cell + 2] + u[cell - 2 * nx] + u[cell + 2 * nx] + u[cell - 2 * plane] + u[cell + 2 * plane];
  out[cell] = 0.25f * u[cell] + 0.1875f * near - 0.0625f * far;
}
