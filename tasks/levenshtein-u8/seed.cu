// One thread per pair; a row of the table of distances in local memory. Strings have at most 64 symbols.
extern "C" __global__ void edit_distance(const unsigned char* a, const unsigned char* b, int* distance, int pairs, int length) {
  int pair = blockIdx.x * blockDim.x + threadIdx.x;
  if (pair >= pairs) return;
  int row[65];
  for (int j = 0; j <= length; ++j) row[j] = j;
  for (int i = 1; i <= length; ++i) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= length; ++j) {
      int above = row[j];
      int cost = a[(size_t)pair * length + i - 1] != b[(size_t)pair * length + j - 1];
      int best = diagonal + cost;
      if (above + 1 < best) best = above + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
      diagonal = above;
    }
  }
  distance[pair] = row[length];
}
