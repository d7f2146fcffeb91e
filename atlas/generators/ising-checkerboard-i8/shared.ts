import type { Launch, LaunchArgument } from "../../../src/domain/index.ts";
import { launch, repeat } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;

/** The torus as kernel parameters or as constants of the source. */
export interface Torus {
  readonly rows: number;
  readonly columns: number;
  readonly steps: number;
  readonly header: string;
  /** Parameters after the pointers: the step and, where they are no constants, sizes and seed. */
  readonly params: string;
  readonly args: (step: number) => readonly LaunchArgument[];
}

export type SizeMode = "args" | "define" | "constexpr";

export function torusOf(mode: SizeMode, sizes: Sizes): Torus {
  const { rows = 0, columns = 0, sweeps = 0, seed = 0 } = sizes;
  const known = { rows, columns, steps: 2 * sweeps };
  if (mode === "args") {
    return {
      ...known,
      header: "",
      params: ", int step, int rows, int columns, unsigned int seed",
      args: (step) => [{ i32: step }, { i32: rows }, { i32: columns }, { u32: seed }],
    };
  }
  const header =
    mode === "define"
      ? `#define rows ${rows}\n#define columns ${columns}\n#define seed ${seed}u\n`
      : `constexpr int rows = ${rows}, columns = ${columns};\nconstexpr unsigned int seed = ${seed}u;\n`;
  return { ...known, header, params: ", int step", args: (step) => [{ i32: step }] };
}

export type Philox = "high" | "wide" | "unrolled" | "step";

/** `four_words(group, row, step, key)`: the four random numbers of a counter. */
export function philox(way: Philox): string {
  const head =
    "__device__ __forceinline__ uint4 four_words(unsigned int group, unsigned int row, unsigned int step, unsigned int key)";
  if (way === "step") {
    return `
      __device__ __forceinline__ uint4 mixed(uint4 v, unsigned int k0, unsigned int k1) {
        return make_uint4(__umulhi(0xCD9E8D57u, v.z) ^ v.y ^ k0, 0xCD9E8D57u * v.z, __umulhi(0xD2511F53u, v.x) ^ v.w ^ k1, 0xD2511F53u * v.x);
      }

      ${head} {
        uint4 v = make_uint4(group, row, step, 0u);
        ${repeat(7, (k) => `v = mixed(v, key + ${k}u * 0x9E3779B9u, ${k}u * 0xBB67AE85u);`)}
        return v;
      }
    `;
  }
  const round =
    way === "wide"
      ? `
        const unsigned long long even = (unsigned long long)a * 0xD2511F53u;
        const unsigned long long odd = (unsigned long long)c * 0xCD9E8D57u;
        a = (unsigned int)(odd >> 32) ^ b ^ k0;
        c = (unsigned int)(even >> 32) ^ d ^ k1;
        b = (unsigned int)odd;
        d = (unsigned int)even;`
      : `
        const unsigned int high0 = __umulhi(a, 0xD2511F53u), low0 = a * 0xD2511F53u;
        const unsigned int high1 = __umulhi(c, 0xCD9E8D57u), low1 = c * 0xCD9E8D57u;
        a = high1 ^ b ^ k0;
        b = low1;
        c = high0 ^ d ^ k1;
        d = low0;`;
  return `
    ${head} {
      unsigned int a = group, b = row, c = step, d = 0u, k0 = key, k1 = 0u;
      ${way === "high" ? "#pragma unroll 1" : "#pragma unroll"}
      for (int round = 0; round < 7; ++round) {
        ${round}
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
      }
      return make_uint4(a, b, c, d);
    }
  `;
}

/** `a` or `b` columns or rows further on the torus. */
export type Wrap = "conditional" | "modulo" | "mask";

export function before(wrap: Wrap, index: string, count: string): string {
  if (wrap === "mask") return `((${index} - 1) & (${count} - 1))`;
  if (wrap === "modulo") return `((${index} + ${count} - 1) % ${count})`;
  return `(${index} == 0 ? ${count} - 1 : ${index} - 1)`;
}

export function after(wrap: Wrap, index: string, count: string): string {
  if (wrap === "mask") return `((${index} + 1) & (${count} - 1))`;
  if (wrap === "modulo") return `((${index} + 1) % ${count})`;
  return `(${index} == ${count} - 1 ? 0 : ${index} + 1)`;
}

/** How a kernel looks up the largest random number that flips a site with k like neighbours. */
export type Table = "memory" | "select" | "sure" | "shared";

export function tableStart(table: Table): string {
  if (table === "shared") {
    return `
      __shared__ unsigned int limits[5];
      if (threadIdx.x < 5 && threadIdx.y == 0) limits[threadIdx.x] = thresholds[threadIdx.x];
      __syncthreads();`;
  }
  if (table === "select" || table === "sure") {
    return "const unsigned int limit3 = thresholds[3], limit4 = thresholds[4];";
  }
  return "";
}

/** Whether the number `word` flips a site with `k` like neighbours. */
export function flips(table: Table, k: string, word: string): string {
  if (table === "shared") return `(${word} <= limits[${k}])`;
  if (table === "select") return `(${word} <= (${k} < 3 ? 0xffffffffu : ${k} == 3 ? limit3 : limit4))`;
  if (table === "sure") return `(${k} < 3 || ${word} <= (${k} == 3 ? limit3 : limit4))`;
  return `(${word} <= thresholds[${k}])`;
}

/** A kernel that copies the input to the output, for kernels that work in place. */
export function copyKernel(way: "bytes" | "words"): string {
  const type = way === "bytes" ? "signed char" : "uint4";
  return `
    extern "C" __global__ void copy_spins(const ${type}* __restrict__ spins, ${type}* __restrict__ out, int count) {
      for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) out[i] = spins[i];
    }
  `;
}

export function copyLaunch(way: "bytes" | "words", torus: Torus): Launch {
  const count = (torus.rows * torus.columns) / (way === "bytes" ? 1 : 16);
  return launch("copy_spins", 1056, 256, ["spins", "out", { i32: count }]);
}

/** One launch per step. */
export function perStep(torus: Torus, make: (step: number) => Launch): readonly Launch[] {
  return Array.from({ length: torus.steps }, (_, step) => make(step));
}
