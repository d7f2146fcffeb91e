import { on } from "../kit/code.ts";

export interface Shape {
  readonly samples: number;
  readonly channels: number;
  readonly groups: number;
  readonly plane: number;
  /** Groups of all samples. */
  readonly all: number;
  readonly groupChannels: number;
  readonly length: number;
}

export function shape(sizes: Readonly<Record<string, number>>): Shape {
  const { n: samples = 0, channels = 0, groups = 1, plane = 0 } = sizes;
  const groupChannels = channels / groups;
  return { samples, channels, groups, plane, all: samples * groups, groupChannels, length: groupChannels * plane };
}

export type Totals = "every-warp" | "first-warp" | "tree" | "shuffle-xor";
export const totalStyles = ["tree", "first-warp", "every-warp", "shuffle-xor"] as const;

/** `team_total`: the block's sum of one or two floats, in all threads. BLOCK must be defined. */
export function totals(style: Totals, pair = false): string {
  const type = pair ? "float2" : "float";
  const each = (line: (part: string) => string): string => (pair ? `${line(".x")}\n${line(".y")}` : line(""));
  const zero = pair ? "make_float2(0.0f, 0.0f)" : "0.0f";
  const shuffles = (from: string, call: string): string => `
    #pragma unroll
    for (int d = ${from}; d > 0; d /= 2) {
      ${each((part) => `v${part} += ${call}(0xffffffffu, v${part}, d);`)}
    }`;
  const toShared = `
    ${shuffles("16", style === "shuffle-xor" ? "__shfl_xor_sync" : "__shfl_down_sync")}
    if (threadIdx.x % 32 == 0) warp_parts[threadIdx.x / 32] = v;
    __syncthreads();`;
  const bodies = {
    tree: `
      __shared__ ${type} cells[BLOCK];
      __syncthreads();
      cells[threadIdx.x] = v;
      __syncthreads();
      for (int d = BLOCK / 2; d > 0; d /= 2) {
        if (threadIdx.x < d) {
          ${each((part) => `cells[threadIdx.x]${part} += cells[threadIdx.x + d]${part};`)}
        }
        __syncthreads();
      }
      return cells[0];`,
    "every-warp": `
      __shared__ ${type} warp_parts[BLOCK / 32];
      __syncthreads();
      ${toShared}
      ${type} all = ${zero};
      for (int w = 0; w < BLOCK / 32; ++w) {
        ${each((part) => `all${part} += warp_parts[w]${part};`)}
      }
      return all;`,
    "first-warp": `
      __shared__ ${type} warp_parts[BLOCK / 32];
      __syncthreads();
      ${toShared}
      if (threadIdx.x < 32) {
        v = threadIdx.x < BLOCK / 32 ? warp_parts[threadIdx.x] : ${zero};
        ${shuffles("16", "__shfl_down_sync")}
        if (threadIdx.x == 0) warp_parts[0] = v;
      }
      __syncthreads();
      return warp_parts[0];`,
    "shuffle-xor": `
      __shared__ ${type} warp_parts[BLOCK / 32];
      __syncthreads();
      ${toShared}
      v = threadIdx.x % 32 < BLOCK / 32 ? warp_parts[threadIdx.x % 32] : ${zero};
      ${shuffles("16", "__shfl_xor_sync")}
      return v;`,
  };
  return `
    __device__ ${type} team_total(${type} v) {
      ${bodies[style]}
    }
  `;
}

export const lanes = (width: number): readonly string[] =>
  width === 1 ? [""] : [".x", ".y", ".z", ".w"].slice(0, width);

export const vector = (width: number): string => (width === 1 ? "float" : `float${width}`);

export type Walk = "flat" | "nested";
export type Form = "plain" | "folded" | "divide";

export interface Loop {
  readonly walk: Walk;
  readonly reverse?: boolean;
  readonly pragma?: string;
}

/** A loop of the block over its group's LENGTH vectors, PLANE per channel; `body` sees `i`, `before` and `body` see `c`. */
export function overGroup({ walk, reverse, pragma = "" }: Loop, body: string, before = ""): string {
  if (walk === "flat") {
    const head = reverse
      ? "for (int i = LENGTH - BLOCK + threadIdx.x; i >= 0; i -= BLOCK) {"
      : "for (int i = threadIdx.x; i < LENGTH; i += BLOCK) {";
    return `${pragma}\n${head}\n${on(before !== "", `const int c = i / PLANE;\n${before}`)}\n${body}\n}`;
  }
  return `
    for (int c = ${reverse ? "CHANNELS - 1; c >= 0; --c" : "0; c < CHANNELS; ++c"}) {
      ${before}
      ${pragma}
      for (int i = c * PLANE + threadIdx.x; i < (c + 1) * PLANE; i += BLOCK) {
        ${body}
      }
    }`;
}

/** Lines that declare what one channel needs; `channel` numbers it within the sample. */
export function channelLines(form: Form, channel: string): string {
  if (form !== "folded") return `const float weight = gamma[${channel}];\nconst float bias = beta[${channel}];`;
  return `const float weight = gamma[${channel}] * inverse;\nconst float bias = fmaf(-mean, weight, beta[${channel}]);`;
}

/** The result for the value `v`. Uses `mean`, `inverse` (or `deviation` to divide by), `weight`, `bias`. */
export function result(form: Form, v: string): string {
  if (form === "folded") return `fmaf(${v}, weight, bias)`;
  if (form === "divide") return `(${v} - mean) / deviation * weight + bias`;
  return `(${v} - mean) * inverse * weight + bias`;
}

export function spread(form: Form, variance: string): string {
  return form === "divide"
    ? `const float deviation = sqrtf(${variance} + 1.0e-5f);`
    : `const float inverse = rsqrtf(${variance} + 1.0e-5f);`;
}

/** Reads, maps and writes one vector. */
export function mapVector(form: Form, width: number, from: string, to: string, streamed = false): string {
  const store = streamed ? `__stcs(&${to}, r);` : `${to} = r;`;
  return `
    ${vector(width)} r = ${from};
    ${lanes(width)
      .map((lane) => `r${lane} = ${result(form, `r${lane}`)};`)
      .join("\n")}
    ${store}`;
}

/** Sizes as the author writes them. */
export function constants(
  style: "define" | "constexpr",
  { plane, groupChannels, length, groups }: Shape,
  width: number,
  block: number,
): string {
  const values: readonly (readonly [string, number])[] = [
    ["BLOCK", block],
    ["CHANNELS", groupChannels],
    ["GROUPS", groups],
    ["PLANE", plane / width],
    ["LENGTH", length / width],
  ];
  return values
    .map(([name, value]) => (style === "define" ? `#define ${name} ${value}` : `constexpr int ${name} = ${value};`))
    .join("\n");
}

export const count = ({ length }: Shape): string => `${length}.0f`;
