// One thread looks for the centroid of one point.
extern "C" __global__ void assign(const float* points, const float* centroids, int* assignment, float* distance, int n, int k, int d) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float best = 0.0f;
  int nearest = -1;
  for (int j = 0; j < k; ++j) {
    float sum = 0.0f;
    for (int c = 0; c < d; ++c) {
      float difference = points[i * d + c] - centroids[j * d + c];
      sum += difference * difference;
    }
    if (nearest < 0 || sum < best) {
      best = sum;
      nearest = j;
    }
  }
  assignment[i] = nearest;
  distance[i] = best;
}
