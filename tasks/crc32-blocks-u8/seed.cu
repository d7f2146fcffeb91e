// One thread per block, one bit after the other.
extern "C" __global__ void crc_blocks(const unsigned char* data, unsigned int* crc, int blocks, int length) {
  int block = blockIdx.x * blockDim.x + threadIdx.x;
  if (block >= blocks) return;
  unsigned int value = 0xffffffffu;
  for (int i = 0; i < length; ++i) {
    value ^= data[(size_t)block * length + i];
    for (int bit = 0; bit < 8; ++bit) {
      if (value & 1) {
        value = (value >> 1) ^ 0xedb88320u;
      } else {
        value = value >> 1;
      }
    }
  }
  crc[block] = ~value;
}
