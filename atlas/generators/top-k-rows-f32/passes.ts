import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { lowest, reading } from "./parts.ts";

/** How the block finds the largest number and the thread that has it. */
const elections = {
  ballot: `float best = largest;
          for (int d = 16; d > 0; d /= 2) best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, d));
          if (threadIdx.x % 32 == 0) heads[threadIdx.x / 32] = best;
          __syncthreads();
          best = threadIdx.x % 32 < BLOCK / 32 ? heads[threadIdx.x % 32] : LOWEST;
          for (int d = 16; d > 0; d /= 2) best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, d));
          if (threadIdx.x == 0) owner = BLOCK;
          __syncthreads();
          if (largest == best) atomicMin(&owner, (int)threadIdx.x);
          __syncthreads();`,
  atomic: `if (threadIdx.x == 0) {
            owner = BLOCK;
            highest = 0u;
          }
          __syncthreads();
          unsigned int bits = __float_as_uint(largest);
          bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
          atomicMax(&highest, __reduce_max_sync(0xffffffffu, bits));
          __syncthreads();
          if (bits == highest) atomicMin(&owner, (int)threadIdx.x);
          __syncthreads();
          float best = __uint_as_float(highest & 0x80000000u ? highest & 0x7fffffffu : ~highest);`,
  "shared-scan": `tree[threadIdx.x] = largest;
          places[threadIdx.x] = threadIdx.x;
          __syncthreads();
          for (int half = BLOCK / 2; half > 0; half >>= 1) {
            if (threadIdx.x < half && tree[threadIdx.x + half] > tree[threadIdx.x]) {
              tree[threadIdx.x] = tree[threadIdx.x + half];
              places[threadIdx.x] = places[threadIdx.x + half];
            }
            __syncthreads();
          }
          float best = tree[0];
          int owner = places[0];
          __syncthreads();`,
};

/** The largest number is found and removed sixteen times. */
export const repeatedMaximum: Template = template({
  id: "repeated-maximum",
  from: "lists-per-thread",
  idea: "Keep the row in shared memory, find its largest number and remove it, sixteen times.",
  options: {
    keep: ["shared", "registers"],
    scan: ["owner", "everyone"],
    winner: ["ballot", "atomic", "shared-scan"],
    load: ["quad", "single"],
    read: ["plain", "ldg", "streaming"],
    unroll: [true, false],
    block: [256, 512, 1024],
  },
  valid: ({ keep, load }) => keep === "shared" || load === "single",
  count: 27,
  write: ({ keep, scan, winner, load, read, unroll, block }, { rows = 0, cols = 0 }) => {
    const registers = keep === "registers";
    const items = cols / block;
    const pragma = registers ? "#pragma unroll\n" : on(unroll, "#pragma unroll 8\n");
    const cell = registers ? "mine[k]" : "row[k * BLOCK + threadIdx.x]";
    const fill =
      load === "quad"
        ? `for (int j = threadIdx.x; j < COLS / 4; j += BLOCK) reinterpret_cast<float4*>(row)[j] = ${reading(read, "reinterpret_cast<const float4*>(in)[j]")};
        __syncthreads();`
        : `${pragma}for (int k = 0; k < ITEMS; ++k) ${cell} = ${reading(read, "in[k * BLOCK + threadIdx.x]")};`;
    const rescan = `float largest = LOWEST;
        ${pragma}for (int k = 0; k < ITEMS; ++k) largest = fmaxf(largest, ${cell});`;
    const elect = elections[winner];
    const remove = `bool gone = false;
            ${pragma}for (int k = 0; k < ITEMS; ++k) {
              if (!gone && ${cell} == best) {
                ${cell} = LOWEST;
                gone = true;
              }
            }`;
    const again = rescan.replace("float largest", "largest");
    const source = `
      #define BLOCK ${block}
      #define COLS ${cols}
      #define ITEMS ${items}
      #define LOWEST ${lowest}

      extern "C" __global__ void __launch_bounds__(BLOCK) remove_largest(const float* __restrict__ x, float* __restrict__ top) {
        ${registers ? "float mine[ITEMS];" : "extern __shared__ __align__(16) float row[];"}
        ${winner === "ballot" ? "__shared__ float heads[BLOCK / 32];\n__shared__ int owner;" : winner === "atomic" ? "__shared__ unsigned int highest;\n__shared__ int owner;" : "__shared__ float tree[BLOCK];\n__shared__ int places[BLOCK];"}
        const float* in = x + (size_t)blockIdx.x * COLS;
        ${fill}
        ${rescan}
        for (int r = 0; r < 16; ++r) {
          ${elect}
          if ((int)threadIdx.x == owner) {
            top[blockIdx.x * 16 + r] = best;
            ${remove}
            ${on(scan === "owner", again)}
          }
          ${on(scan === "everyone", again)}
          __syncthreads();
        }
      }
    `;
    return styled(
      { source, launches: [launch("remove_largest", rows, block, ["x", "top"], registers ? 0 : cols * 4)] },
      { names: "snake", indent: 4 },
    );
  },
});

const orderedBits = `
      // Unsigned numbers in the order of the floats.
      __device__ __forceinline__ unsigned int to_key(float v) {
        unsigned int bits = __float_as_uint(v);
        return bits ^ ((unsigned int)((int)bits >> 31) | 0x80000000u);
      }

      __device__ __forceinline__ float from_key(unsigned int key) {
        return __uint_as_float(key & 0x80000000u ? key ^ 0x80000000u : ~key);
      }
`;

/** How the digit of the sixteenth largest is found in the counts. */
const digitPicks = {
  serial: `if (threadIdx.x == 0) {
            int digit = BUCKETS - 1, above = 0;
            while (above + counts[digit] < wanted) above += counts[digit--];
            chosen = digit;
            left = wanted - above;
          }`,
  warp: `if (threadIdx.x < 32) {
            // Lane l looks at the buckets from the top, a share of them each.
            const int share = BUCKETS / 32 > 0 ? BUCKETS / 32 : 1;
            int high = BUCKETS - 1 - (int)threadIdx.x * share, sum = 0;
            for (int q = 0; q < share; ++q) sum += high - q >= 0 ? counts[high - q] : 0;
            int upto = sum;
            for (int d = 1; d < 32; d *= 2) {
              int other = __shfl_up_sync(0xffffffffu, upto, d);
              if ((int)threadIdx.x >= d) upto += other;
            }
            int above = upto - sum;
            if (above < wanted && wanted <= upto) {
              while (above + counts[high] < wanted) above += counts[high--];
              chosen = high;
              left = wanted - above;
            }
          }`,
};

/** How the sixteen are put in order. */
const lastRanks = {
  count: `if (threadIdx.x < 16) {
          float v = found[threadIdx.x];
          int place = 0;
          for (int q = 0; q < 16; ++q) place += found[q] > v || (found[q] == v && q < (int)threadIdx.x);
          top[blockIdx.x * 16 + place] = v;
        }`,
  bubble: `if (threadIdx.x == 0) {
          for (int a = 0; a < 15; ++a) {
            for (int b = 0; b < 15 - a; ++b) {
              float low = found[b], next = found[b + 1];
              if (low < next) {
                found[b] = next;
                found[b + 1] = low;
              }
            }
          }
          for (int q = 0; q < 16; ++q) top[blockIdx.x * 16 + q] = found[q];
        }`,
};

/** Digit by digit, the sixteenth largest is found by counting. */
export const radixSelect: Template = template({
  id: "radix-select",
  from: "repeated-maximum",
  idea: "Find the sixteenth largest number digit by digit with histograms, then collect what is not below it.",
  options: {
    keep: ["shared", "global", "registers"],
    digits: ["eight", "four"],
    pick: ["serial", "warp"],
    collect: ["atomic", "ballot"],
    rank: ["count", "bubble"],
    masked: [true, false],
    read: ["plain", "ldg"],
    block: [256, 512, 1024],
  },
  count: 30,
  write: ({ keep, digits, pick, collect, rank, masked, read, block }, { rows = 0, cols = 0 }) => {
    const items = cols / block;
    const bits = digits === "four" ? 4 : 8;
    const buckets = 1 << bits;
    const loop = on(keep === "registers", "#pragma unroll\n");
    const key = {
      shared: "keys[k * BLOCK + threadIdx.x]",
      global: `to_key(${reading(read, "in[k * BLOCK + threadIdx.x]")})`,
      registers: "mine[k]",
    }[keep];
    const each = (line: string): string => `${loop}for (int k = 0; k < ITEMS; ++k) {
            unsigned int key = ${key};
            ${line}
          }`;
    const fill =
      keep === "global"
        ? ""
        : `${loop}for (int k = 0; k < ITEMS; ++k) ${key} = to_key(${reading(read, "in[k * BLOCK + threadIdx.x]")});`;
    const picks = digitPicks[pick];
    const counting = masked ? "if ((key & mask) == prefix) " : "if (((key ^ prefix) & mask) == 0u) ";
    const put =
      collect === "atomic"
        ? `if (key > prefix) found[atomicAdd(&taken, 1)] = from_key(key);`
        : `unsigned int above = __ballot_sync(0xffffffffu, key > prefix);
            if (above) {
              int base = 0;
              if (threadIdx.x % 32 == 0) base = atomicAdd(&taken, __popc(above));
              base = __shfl_sync(0xffffffffu, base, 0);
              if (key > prefix) found[base + __popc(above & ((1u << (threadIdx.x % 32)) - 1u))] = from_key(key);
            }`;
    const ranks = lastRanks[rank];
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int COLS = ${cols};
      constexpr int ITEMS = ${items};
      constexpr int BITS = ${bits};
      constexpr int BUCKETS = ${buckets};

      ${orderedBits}
      extern "C" __global__ void __launch_bounds__(BLOCK) select_by_digits(const float* __restrict__ x, float* __restrict__ top) {
        ${keep === "shared" ? "extern __shared__ __align__(16) unsigned int keys[];" : keep === "registers" ? "unsigned int mine[ITEMS];" : ""}
        __shared__ int counts[BUCKETS];
        __shared__ int chosen, left, taken;
        __shared__ float found[16];
        const float* in = x + (size_t)blockIdx.x * COLS;
        ${fill}
        unsigned int prefix = 0u, mask = 0u;
        int wanted = 16;
        for (int shift = 32 - BITS; shift >= 0; shift -= BITS) {
          for (int b = threadIdx.x; b < BUCKETS; b += BLOCK) counts[b] = 0;
          __syncthreads();
          ${each(`${counting}atomicAdd(&counts[(key >> shift) & (BUCKETS - 1)], 1);`)}
          __syncthreads();
          ${picks}
          __syncthreads();
          prefix |= (unsigned int)chosen << shift;
          mask |= (unsigned int)(BUCKETS - 1) << shift;
          wanted = left;
          __syncthreads();
        }
        if (threadIdx.x == 0) taken = 0;
        if (threadIdx.x < 16) found[threadIdx.x] = from_key(prefix);
        __syncthreads();
        ${each(put)}
        __syncthreads();
        ${ranks}
      }
    `;
    return styled(
      { source, launches: [launch("select_by_digits", rows, block, ["x", "top"], keep === "shared" ? cols * 4 : 0)] },
      { names: "camel", indent: 4 },
    );
  },
});
