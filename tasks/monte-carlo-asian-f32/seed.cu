// Four random words of Philox4x32-10.
__device__ void philox(unsigned int counter0, unsigned int counter1, unsigned int key0, unsigned int key1, unsigned int* words) {
  unsigned int c0 = counter0, c1 = counter1, c2 = 0, c3 = 0;
  for (int round = 0; round < 10; ++round) {
    unsigned int high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
    unsigned int high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

__device__ float uniform(unsigned int word) { return word * 2.3283064e-10f + 1.1641532e-10f; }

extern "C" __global__ void clear(float* price, int options) {
  int option = blockIdx.x * blockDim.x + threadIdx.x;
  if (option < options) price[option] = 0.0f;
}

// One thread simulates one path of one option.
extern "C" __global__ void simulate(const float* book, const unsigned int* key, float* price, int paths, int steps) {
  int path = blockIdx.x * blockDim.x + threadIdx.x;
  int option = blockIdx.y;
  if (path >= paths) return;
  float spot = book[5 * option], strike = book[5 * option + 1], rate = book[5 * option + 2];
  float vol = book[5 * option + 3], years = book[5 * option + 4];
  float dt = years / steps;
  float stock = spot, sum = 0.0f;
  for (int group = 0; group < steps / 4; ++group) {
    unsigned int words[4];
    philox(path, group, key[0], key[1], words);
    for (int half = 0; half < 2; ++half) {
      float radius = sqrtf(-2.0f * logf(uniform(words[2 * half])));
      float angle = 6.2831853f * uniform(words[2 * half + 1]);
      stock *= expf((rate - 0.5f * vol * vol) * dt + vol * sqrtf(dt) * radius * cosf(angle));
      sum += stock;
      stock *= expf((rate - 0.5f * vol * vol) * dt + vol * sqrtf(dt) * radius * sinf(angle));
      sum += stock;
    }
  }
  float payoff = fmaxf(sum / steps - strike, 0.0f);
  atomicAdd(&price[option], payoff * expf(-rate * years) / paths);
}
