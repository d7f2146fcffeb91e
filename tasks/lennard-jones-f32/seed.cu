// Forces of a cut Lennard-Jones fluid, one thread per atom, cells of edge 3.
extern "C" __global__ void lj_forces(const float* pos, const int* start, float* force, int n, int c) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) {
    return;
  }
  float box = 3.0f * c;
  int cx = (int)(pos[3 * i] / 3.0f);
  int cy = (int)(pos[3 * i + 1] / 3.0f);
  int cz = (int)(pos[3 * i + 2] / 3.0f);
  force[4 * i] = 0.0f;
  force[4 * i + 1] = 0.0f;
  force[4 * i + 2] = 0.0f;
  force[4 * i + 3] = 0.0f;
  for (int k = 0; k < 27; k++) {
    int nx = (cx + k % 3 - 1 + c) % c;
    int ny = (cy + k / 3 % 3 - 1 + c) % c;
    int nz = (cz + k / 9 - 1 + c) % c;
    int cell = (nz * c + ny) * c + nx;
    for (int j = start[cell]; j < start[cell + 1]; j++) {
      if (j == i) {
        continue;
      }
      float dx = pos[3 * i] - pos[3 * j];
      float dy = pos[3 * i + 1] - pos[3 * j + 1];
      float dz = pos[3 * i + 2] - pos[3 * j + 2];
      dx -= box * roundf(dx / box);
      dy -= box * roundf(dy / box);
      dz -= box * roundf(dz / box);
      float r = sqrtf(dx * dx + dy * dy + dz * dz);
      if (r * r >= 7.84f) {
        continue;
      }
      float attraction = 1.0f / powf(r, 6.0f);
      float repulsion = attraction * attraction;
      float fade = 1.0f - r * r / 7.84f;
      float s = (48.0f * repulsion - 24.0f * attraction) / (r * r) * fade * fade;
      s += 16.0f / 7.84f * (repulsion - attraction) * fade;
      force[4 * i] += s * dx;
      force[4 * i + 1] += s * dy;
      force[4 * i + 2] += s * dz;
      force[4 * i + 3] += 2.0f * (repulsion - attraction) * fade * fade;
    }
  }
}
