import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { copyKernel, copyLaunch, perStep, philox, torusOf } from "./shared.ts";

type Alike = "scalar" | "packed" | "halves";
type Change = "or" | "xor-select" | "branch";

const limitOf = (k: string): string => `(${k} < 3 ? 0xffffffffu : ${k} == 3 ? limit3 : limit4)`;

function changeOf(change: Change, k: string, word: string, shift: string): string {
  if (change === "branch")
    return `if (${k} < 3 || ${word} <= (${k} == 3 ? limit3 : limit4)) change |= 0xfeull << ${shift};`;
  if (change === "or") return `change |= ${word} <= ${limitOf(k)} ? 0xfeull << ${shift} : 0ull;`;
  return `change ^= (unsigned long long)(${word} <= ${limitOf(k)}) * 0xfeull << ${shift};`;
}

/** `renewed(...)`: eight spins in a word after the update of those at bytes parity, parity + 2, ... */
function renewed(alike: Alike, change: Change): string {
  const parts = ["x", "y", "z", "w"];
  const head = `__device__ __forceinline__ unsigned long long renewed(unsigned long long own, unsigned long long up, unsigned long long down,
      unsigned long long side, int parity, uint4 r, unsigned int limit3, unsigned int limit4) {`;
  if (alike === "halves") {
    const half = (name: string, first: number): string =>
      [0, 1]
        .map(
          (w) => `{
            const int minus = (${name} >> (${16 * w} + 8 * parity)) & 7;
            const int k = (own_${name} >> (${16 * w} + 8 * parity)) & 1 ? minus : 4 - minus;
            ${changeOf(change, "k", `r.${parts[first + w]}`, String(16 * (first + w)))}
          }`,
        )
        .join("\n");
    return `
      ${head}
        const unsigned int low = (unsigned int)own, high = (unsigned int)(own >> 32);
        const unsigned int left_low = (low << 8) | (unsigned int)side, left_high = __funnelshift_l(low, high, 8);
        const unsigned int right_low = __funnelshift_r(low, high, 8), right_high = (high >> 8) | ((unsigned int)side << 24);
        const unsigned int ones = 0x01010101u;
        const unsigned int own_lower = (low >> 7) & ones, own_upper = (high >> 7) & ones;
        const unsigned int lower = (((unsigned int)up >> 7) & ones) + (((unsigned int)down >> 7) & ones) + ((left_low >> 7) & ones) + ((right_low >> 7) & ones);
        const unsigned int upper = ((unsigned int)(up >> 39) & ones) + ((unsigned int)(down >> 39) & ones) + ((left_high >> 7) & ones) + ((right_high >> 7) & ones);
        unsigned long long change = 0;
        ${half("lower", 0)}
        ${half("upper", 2)}
        return own ^ (change << (8 * parity));
      }
    `;
  }
  const sites =
    alike === "scalar"
      ? repeat(
          4,
          (w) => `{
            const int m = (int)(minus >> ${16 * w}) & 7;
            const int k = (own_minus >> ${16 * w}) & 1 ? m : 4 - m;
            ${changeOf(change, "k", `r.${parts[w]}`, String(16 * w))}
          }`,
        )
      : `
        const unsigned long long mask = own_minus * 255;
        const unsigned long long same = (minus & mask) | ((0x0404040404040404ull - minus) & ~mask);
        const unsigned int numbers[4] = {r.x, r.y, r.z, r.w};
        #pragma unroll
        for (int w = 0; w < 4; ++w) {
          const int k = (int)(same >> (16 * w)) & 7;
          ${changeOf(change, "k", "numbers[w]", "(16 * w)")}
        }`;
  return `
    ${head}
      const unsigned long long ones = 0x0101010101010101ull;
      const unsigned long long left = (own << 8) | side, right = (own >> 8) | (side << 56);
      unsigned long long minus = ((up >> 7) & ones) + ((down >> 7) & ones) + ((left >> 7) & ones) + ((right >> 7) & ones);
      unsigned long long own_minus = (own >> 7) & ones;
      minus >>= 8 * parity;
      own_minus >>= 8 * parity;
      unsigned long long change = 0;
      ${sites}
      return own ^ (change << (8 * parity));
    }
  `;
}

/** The byte beside a word on the side where the colour's sites need it; warps lie within a row. */
function sideOf(how: "bytes" | "shuffle", row: string, group: string): string {
  const load = (column: string): string => `reinterpret_cast<const unsigned char*>(${row})[${column}]`;
  if (how === "bytes") return load(`parity ? (8 * ${group} + 8) % columns : (8 * ${group} + columns - 1) % columns`);
  return `beside(own, ${row}, ${group}, parity)`;
}

const besideFunction = `
  // The neighbouring lane's byte; a warp's last or first lane reads it.
  __device__ __forceinline__ unsigned long long beside(unsigned long long own, const unsigned long long* row, int group, int parity) {
    const int lane = threadIdx.x & 31;
    const unsigned int next = __shfl_down_sync(0xffffffffu, (unsigned int)own & 255u, 1);
    const unsigned int last = __shfl_up_sync(0xffffffffu, (unsigned int)(own >> 56), 1);
    if (lane == (parity ? 31 : 0)) return reinterpret_cast<const unsigned char*>(row)[parity ? (8 * group + 8) % columns : (8 * group + columns - 1) % columns];
    return parity ? next : last;
  }
`;

/** Eight columns as one word. */
export const wordPerThread: Template = template({
  id: "word-per-thread",
  from: "group-per-thread",
  idea: "Load eight columns as one word and add neighbours as packed bytes.",
  options: {
    alike: ["scalar", "packed", "halves"],
    change: ["or", "branch", "xor-select"],
    side: ["bytes", "shuffle"],
    random: ["wide", "unrolled", "step"],
    volume: ["one", "loop", "pair"],
    index: ["flat", "plane"],
    first: ["copy", "direct"],
    size: ["define", "constexpr"],
    block: [128, 64, 256],
    bounds: [false, true],
  },
  valid: ({ volume, index, side }) =>
    !(volume !== "one" && index === "plane") && !(volume === "pair" && side === "shuffle"),
  count: 31,
  write: ({ alike, change, side, random, volume, index, first, size, block, bounds }, sizes) => {
    const torus = torusOf(size, sizes);
    const rowsAround = (width: string): string => `
      const int parity = (y + step) & 1;
      const int up = y == 0 ? rows - 1 : y - 1, down = y == rows - 1 ? 0 : y + 1;
      const ${width}* row = from + y * STRIDE;`;
    const one = `
      ${rowsAround("unsigned long long")}
      const unsigned long long own = row[g];
      const unsigned long long side = ${sideOf(side, "row", "g")};
      to[y * STRIDE + g] = renewed(own, from[up * STRIDE + g], from[down * STRIDE + g], side, parity, four_words(g, y, step, seed), limit3, limit4);`;
    const pair = `
      ${rowsAround("ulonglong2")}
      const ulonglong2 own = row[g];
      const ulonglong2 above = from[up * STRIDE + g], below = from[down * STRIDE + g];
      const unsigned char* bytes = reinterpret_cast<const unsigned char*>(row);
      const unsigned long long outer = bytes[parity ? (16 * g + 16) % columns : (16 * g + columns - 1) % columns];
      ulonglong2 result;
      result.x = renewed(own.x, above.x, below.x, parity ? own.y & 255 : outer, parity, four_words(2 * g, y, step, seed), limit3, limit4);
      result.y = renewed(own.y, above.y, below.y, parity ? outer : own.x >> 56, parity, four_words(2 * g + 1, y, step, seed), limit3, limit4);
      to[y * STRIDE + g] = result;`;
    const split = "const int y = i / STRIDE, g = i % STRIDE;";
    const body =
      index === "plane"
        ? `const int g = blockIdx.x * blockDim.x + threadIdx.x;\nconst int y = blockIdx.y;\n${one}`
        : volume === "loop"
          ? `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * STRIDE; i += gridDim.x * blockDim.x) {\n${split}\n${one}\n}`
          : `const int i = blockIdx.x * blockDim.x + threadIdx.x;\n${split}\n${volume === "pair" ? pair : one}`;
    const type = volume === "pair" ? "ulonglong2" : "unsigned long long";
    const source = `
      ${torus.header}
      #define STRIDE (columns / ${volume === "pair" ? 16 : 8})

      ${philox(random)}
      ${on(first === "copy", copyKernel("words"))}
      ${renewed(alike, change)}
      ${on(side === "shuffle", besideFunction)}
      extern "C" __global__ void ${on(bounds, `__launch_bounds__(${block}) `)}half_sweep(const ${type}* from, ${type}* to, const unsigned int* __restrict__ thresholds, int step) {
        const unsigned int limit3 = thresholds[3], limit4 = thresholds[4];
        ${body}
      }
    `;
    const words = (torus.rows * torus.columns) / (volume === "pair" ? 16 : 8);
    const grid: number | [number, number] =
      index === "plane" ? [torus.columns / 8 / block, torus.rows] : words / block / (volume === "loop" ? 4 : 1);
    const steps = perStep(torus, (step) =>
      launch("half_sweep", grid, block, [
        step === 0 && first === "direct" ? "spins" : "out",
        "out",
        "thresholds",
        ...torus.args(step),
      ]),
    );
    const launches = first === "copy" ? [copyLaunch("words", torus), ...steps] : steps;
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** A thread walks down some rows of one column of words. */
export const rowMarch: Template = template({
  id: "row-march",
  from: "word-per-thread",
  idea: "Walk down a column of words so that the rows above and below stay in registers.",
  options: {
    alike: ["packed", "scalar", "halves"],
    change: ["or", "branch", "xor-select"],
    side: ["bytes", "shuffle"],
    random: ["unrolled", "wide", "step"],
    loop: ["counted", "unrolled", "while"],
    fetch: ["at-use", "ahead"],
    first: ["copy", "direct"],
    size: ["constexpr", "define"],
    run: [8, 4, 16, 32],
    block: [64, 128, 256],
  },
  count: 29,
  write: ({ alike, change, side, random, loop, fetch, first, size, run, block }, sizes) => {
    const torus = torusOf(size, sizes);
    const loopHead = {
      counted: "#pragma unroll 1\nfor (int y = top; y < top + RUN; ++y) {",
      unrolled: "#pragma unroll\nfor (int k = 0; k < RUN; ++k) {\nconst int y = top + k;",
      while: "int y = top;\nwhile (y < top + RUN) {",
    }[loop];
    const below = (y: string): string => `from[((${y}) & (rows - 1)) * STRIDE + g]`;
    const source = `
      ${torus.header}
      #define STRIDE (columns / 8)
      #define RUN ${run}

      ${philox(random)}
      ${on(first === "copy", copyKernel("words"))}
      ${renewed(alike, change)}
      ${on(side === "shuffle", besideFunction)}
      extern "C" __global__ void march(const unsigned long long* from, unsigned long long* to, const unsigned int* thresholds, int step) {
        const unsigned int limit3 = thresholds[3], limit4 = thresholds[4];
        const int g = blockIdx.x * blockDim.x + threadIdx.x;
        const int top = blockIdx.y * RUN;
        unsigned long long above = ${below("top + rows - 1")};
        unsigned long long own = ${below("top")};
        ${on(fetch === "ahead", `unsigned long long following = ${below("top + 1")};`)}
        ${loopHead}
          const int parity = (y + step) & 1;
          const unsigned long long* row = from + y * STRIDE;
          ${
            fetch === "ahead"
              ? `const unsigned long long under = following;\nfollowing = ${below("y + 2")};`
              : `const unsigned long long under = ${below("y + 1")};`
          }
          const unsigned long long side = ${sideOf(side, "row", "g")};
          const uint4 r = four_words(g, y, step, seed);
          to[y * STRIDE + g] = renewed(own, above, under, side, parity, r, limit3, limit4);
          above = own;
          own = under;
          ${on(loop === "while", "++y;")}
        }
      }
    `;
    const grid: [number, number] = [torus.columns / 8 / block, torus.rows / run];
    const steps = perStep(torus, (step) =>
      launch("march", grid, block, [
        step === 0 && first === "direct" ? "spins" : "out",
        "out",
        "thresholds",
        ...torus.args(step),
      ]),
    );
    const launches = first === "copy" ? [copyLaunch("words", torus), ...steps] : steps;
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});
