import { repeat } from "../kit/code.ts";

/** How spins become bits, 1 for -1: bit q % 32 of word q / 32 of a row of one colour. */
export type Pack = "votes" | "words";

/** `pack` and `unpack` kernels around `planes`, which holds colour 0's words and then colour 1's. */
export function packKernels(way: Pack): string {
  if (way === "votes") {
    return `
      extern "C" __global__ void pack(const signed char* __restrict__ spins, unsigned int* __restrict__ planes) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = i / (columns / 2), q = i % (columns / 2);
        for (int c = 0; c < 2; ++c) {
          const unsigned int vote = __ballot_sync(0xffffffffu, spins[y * columns + 2 * q + ((y + c) & 1)] < 0);
          if ((threadIdx.x & 31) == 0) planes[(c * rows + y) * WORDS + q / 32] = vote;
        }
      }

      extern "C" __global__ void unpack(const unsigned int* __restrict__ planes, signed char* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = i / (columns / 2), q = i % (columns / 2);
        for (int c = 0; c < 2; ++c) {
          const unsigned int word = planes[(c * rows + y) * WORDS + q / 32];
          out[y * columns + 2 * q + ((y + c) & 1)] = (word >> (q & 31)) & 1u ? -1 : 1;
        }
      }
    `;
  }
  return `
    ${gatherFunction}
    extern "C" __global__ void pack(const unsigned long long* __restrict__ spins, unsigned int* __restrict__ planes) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int y = i / WORDS;
      const uint2 pair = gathered(spins + 8 * i);
      planes[i] = y & 1 ? pair.y : pair.x;
      planes[rows * WORDS + i] = y & 1 ? pair.x : pair.y;
    }

    ${spreadFunction}
    extern "C" __global__ void unpack(const unsigned int* __restrict__ planes, unsigned long long* __restrict__ out) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int y = i / (8 * WORDS);
      const unsigned int first = planes[i / 8], second = planes[rows * WORDS + i / 8];
      out[i] = y & 1 ? spread(second, first, 4 * (i & 7)) : spread(first, second, 4 * (i & 7));
    }
  `;
}

/** How many threads `pack` and `unpack` need. */
export function packThreads(way: Pack, rows: number, columns: number): readonly [number, number] {
  return way === "votes" ? [(rows * columns) / 2, (rows * columns) / 2] : [(rows * columns) / 64, (rows * columns) / 8];
}

export const gatherFunction = `
  // The signs of 64 columns: those of even columns in x, those of odd columns in y.
  __device__ __forceinline__ uint2 gathered(const unsigned long long* from) {
    unsigned int even = 0, odd = 0;
    #pragma unroll
    for (int k = 0; k < 8; ++k) {
      const unsigned long long v = from[k];
      #pragma unroll
      for (int w = 0; w < 4; ++w) {
        even |= ((unsigned int)(v >> (16 * w + 7)) & 1u) << (4 * k + w);
        odd |= ((unsigned int)(v >> (16 * w + 15)) & 1u) << (4 * k + w);
      }
    }
    return make_uint2(even, odd);
  }
`;

export const spreadFunction = `
  // Eight spins from four bits of the even columns and four of the odd ones.
  __device__ __forceinline__ unsigned long long spread(unsigned int even, unsigned int odd, int at) {
    unsigned long long minus = 0;
    #pragma unroll
    for (int w = 0; w < 4; ++w) {
      minus |= (unsigned long long)((even >> (at + w)) & 1u) << (16 * w);
      minus |= (unsigned long long)((odd >> (at + w)) & 1u) << (16 * w + 8);
    }
    return (minus * 0xfeull) ^ 0x0101010101010101ull;
  }
`;

export type Adder = "adders" | "pairs" | "products";

/** From `own` and the four neighbours' words: `three` and `four`, the sites with as many like neighbours. */
export function likeNeighbours(adder: Adder): string {
  const alike = `
    const unsigned int a = ~(own ^ above), b = ~(own ^ below), c = ~(own ^ level), d = ~(own ^ beside);`;
  if (adder === "adders") {
    return `${alike}
      const unsigned int ab = a & b, cd = c & d;
      const unsigned int three = (a ^ b ^ c ^ d) & (ab | cd), four = ab & cd;`;
  }
  if (adder === "pairs") {
    return `${alike}
      const unsigned int four = a & b & c & d;
      const unsigned int three = (a & b & (c ^ d)) | ((a ^ b) & c & d);`;
  }
  return `${alike}
    const unsigned int four = a & b & c & d;
    const unsigned int three = ((a & b & c) | (a & b & d) | (a & c & d) | (b & c & d)) & ~four;`;
}

export type Accept = "masks" | "select" | "needed";

/** `accepted(...)`: which of a group's four sites at bit `at` flip although three or four neighbours are alike. */
export function acceptFunction(accept: Accept): string {
  const parts = ["x", "y", "z", "w"];
  const head =
    "__device__ __forceinline__ unsigned int accepted(unsigned int three, unsigned int four, int at, int group, int row, int step, unsigned int limit3, unsigned int limit4) {";
  if (accept === "masks") {
    const mask = (limit: string): string =>
      parts.map((part, w) => `((unsigned int)(r.${part} <= ${limit}) << ${w})`).join(" | ");
    return `
      ${head}
        const uint4 r = four_words(group, row, step, seed);
        const unsigned int under3 = ${mask("limit3")};
        const unsigned int under4 = ${mask("limit4")};
        return (three & (under3 << at)) | (four & (under4 << at));
      }
    `;
  }
  return `
    ${head}
      const unsigned int asked = ((three | four) >> at) & 15u;
      ${accept === "needed" ? "if (asked == 0) return 0;" : ""}
      const uint4 r = four_words(group, row, step, seed);
      unsigned int bits = 0;
      ${repeat(4, (w) => `bits |= (unsigned int)(r.${parts[w]} <= ((four >> (at + ${w})) & 1u ? limit4 : limit3)) << ${w};`)}
      return (bits & asked) << at;
    }
  `;
}

/** The other colour's words around word j of row y; `up` and `down` are rows, `row` a function of the place of a row. */
export function aroundWord(row: (line: string) => string, parity: string): string {
  return `
    const unsigned int above = other[${row("up")} + j], below = other[${row("down")} + j], level = other[${row("y")} + j];
    const unsigned int beside = ${parity} ? (level >> 1) | (other[${row("y")} + (j + 1) % WORDS] << 31) : (level << 1) | (other[${row("y")} + (j + WORDS - 1) % WORDS] >> 31);`;
}
