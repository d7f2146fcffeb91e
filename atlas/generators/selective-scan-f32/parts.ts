import { on } from "../kit/code.ts";

/** The task's extents; sources are written for them. */
export const length = 2048;
export const channels = 1024;
export const states = 16;
export const sequences = 2 * channels;

export type Exponent = "expf" | "__expf" | "exp2f";
export const exponents = ["expf", "__expf", "exp2f"] as const;

/** A rate as it is kept: for powers of two it is scaled when loaded. */
export function keptRate(exponent: Exponent, rate: string): string {
  return exponent === "exp2f" ? `${rate} * 1.44269504f` : rate;
}

function decay(exponent: Exponent, step: string, rate: string): string {
  return `${exponent}(${step} * ${rate})`;
}

export interface StateStep {
  readonly exponent: Exponent;
  /** Number of states, as the source writes it. */
  readonly count: string;
  readonly quads: boolean;
  readonly twoSums?: boolean;
  readonly unroll?: string;
  /** Writes the rate of a state; what it gives is scaled already. */
  readonly rate: (n: string) => string;
  readonly h: (n: string) => string;
  readonly b: (n: string) => string;
  /** Left out where only the states are needed. */
  readonly c?: (n: string) => string;
}

/** Statements that advance all states of a thread by one time step: `step` and `gain` are there, `acc` (and `odd`) are added to. */
export function stateStep(options: StateStep): string {
  const { exponent, count, quads, twoSums = false, unroll = "#pragma unroll\n", rate, h, b, c } = options;
  const advance = (n: string, input: string): string =>
    `${h(n)} = ${decay(exponent, "step", rate(n))} * ${h(n)} + gain * ${input};`;
  if (!quads) {
    const one = (n: string, sum: string): string => `${advance(n, b(n))}\n${c ? `${sum} += ${c(n)} * ${h(n)};` : ""}`;
    return twoSums
      ? `${unroll}for (int n = 0; n < ${count}; n += 2) {\n${one("n", "acc")}\n${one("n + 1", "odd")}\n}`
      : `${unroll}for (int n = 0; n < ${count}; ++n) {\n${one("n", "acc")}\n}`;
  }
  const at = ["n", "n + 1", "n + 2", "n + 3"] as const;
  const parts = ["x", "y", "z", "w"] as const;
  const product = (k: 0 | 1 | 2 | 3): string => `cq.${parts[k]} * ${h(at[k])}`;
  const quad = (place: string): string => `*reinterpret_cast<const float4*>(&${place})`;
  const sums = twoSums
    ? `acc += ${product(0)} + ${product(2)};\nodd += ${product(1)} + ${product(3)};`
    : `acc += ${product(0)} + ${product(1)} + ${product(2)} + ${product(3)};`;
  return `${unroll}for (int n = 0; n < ${count}; n += 4) {
    const float4 bq = ${quad(b("n"))};
    ${c ? `const float4 cq = ${quad(c("n"))};` : ""}
    ${at.map((n, k) => advance(n, `bq.${parts[k] ?? "x"}`)).join("\n")}
    ${on(c !== undefined, sums)}
  }`;
}

/** Statements that copy `quads` groups of four floats by all threads of a block. */
export function copyQuads(threads: string, quads: string, to: string, from: string, asynchronous: boolean): string {
  const move = asynchronous
    ? `__pipeline_memcpy_async(&${to}, &${from}, 16);`
    : `*reinterpret_cast<float4*>(&${to}) = *reinterpret_cast<const float4*>(&${from});`;
  return `for (int i = threadIdx.x; i < ${quads}; i += ${threads}) {\n${move}\n}`;
}

/** A loop over tiles: with one buffer, or with the next tile on its way while one is used. `fetch` and `use` get the buffer and the tile. */
export function tileLoop(
  tiles: string,
  asynchronous: boolean,
  fetch: (buffer: string, tile: string) => string,
  use: (buffer: string) => string,
): string {
  if (!asynchronous)
    return `for (int tile = 0; tile < ${tiles}; ++tile) {
      __syncthreads();
      ${fetch("0", "tile")}
      __syncthreads();
      ${use("0")}
    }`;
  return `${fetch("0", "0")}
    __pipeline_commit();
    for (int tile = 0; tile < ${tiles}; ++tile) {
      const int now = tile & 1;
      if (tile + 1 < ${tiles}) {
        ${fetch("(now ^ 1)", "(tile + 1)")}
      }
      __pipeline_commit();
      __pipeline_wait_prior(1);
      __syncthreads();
      ${use("now")}
      __syncthreads();
    }`;
}

/** Where the lanes of a channel sit in a warp, and how far apart they are. */
export function lanePlan(lanes: number, outer: boolean): { code: string; unit: number } {
  return outer
    ? {
        unit: 32 / lanes,
        code: `const int part = threadIdx.x % 32 / ${32 / lanes};
  const int own = threadIdx.x / 32 * ${32 / lanes} + threadIdx.x % ${32 / lanes};`,
      }
    : { unit: 1, code: `const int part = threadIdx.x % ${lanes};\n  const int own = threadIdx.x / ${lanes};` };
}

/** Statements that leave in part[0] the sum for step number `part` of every group of `lanes` steps. */
export function transposedSum(lanes: number, unit: number): string {
  const rounds: string[] = [];
  for (let half = lanes / 2; half >= 1; half /= 2)
    rounds.push(`#pragma unroll
      for (int i = 0; i < ${half}; ++i) {
        const float sent = part & ${half} ? sums[i] : sums[i + ${half}];
        const float kept = part & ${half} ? sums[i + ${half}] : sums[i];
        sums[i] = kept + __shfl_xor_sync(0xffffffffu, sent, ${half * unit});
      }`);
  return rounds.join("\n");
}
