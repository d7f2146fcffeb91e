import type { LaunchArgument } from "../../../src/domain/index.ts";
import { on } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;

export const rowsOf = (sizes: Sizes): number => sizes["rows"] ?? 0;
export const colsOf = (sizes: Sizes): number => sizes["cols"] ?? 0;

/** The sizes as constants of the source. */
export const shape = (s: Sizes): string => `constexpr int ROWS = ${rowsOf(s)};\nconstexpr int COLS = ${colsOf(s)};\n`;

/** How a kernel knows the matrix's shape: names, declarations, parameters and the arguments for them. */
export interface Sizing {
  readonly rows: string;
  readonly cols: string;
  readonly header: string;
  readonly params: string;
  readonly args: readonly LaunchArgument[];
}

export function sizing(kind: string, sizes: Sizes): Sizing {
  const [rows, cols] = [rowsOf(sizes), colsOf(sizes)];
  if (kind === "args") {
    const args = [{ i32: rows }, { i32: cols }];
    return { rows: "rows", cols: "cols", header: "", params: ", int rows, int cols", args };
  }
  const header =
    kind === "define"
      ? `#define ROWS ${rows}\n#define COLS ${cols}\n\n`
      : `constexpr int ROWS = ${rows};\nconstexpr int COLS = ${cols};\n\n`;
  return { rows: "ROWS", cols: "COLS", header, params: "", args: [] };
}

/** Reads the object at an address, by the named load function or plainly. */
export function read(path: string, place: string): string {
  return path === "plain" ? place : `${path}(&${place})`;
}

export interface DotLoop {
  /** Names of the row's and the vector's pointers. */
  readonly row: string;
  readonly x: string;
  readonly first: string;
  readonly step: string;
  /** Number of columns, a multiple of the vector width. */
  readonly limit: string;
  readonly width: 1 | 2 | 4;
  readonly sums: "one" | "chain" | "lanes";
  readonly unroll: "none" | "pragma" | "ahead";
  readonly load: string;
  readonly loadX: string;
}

const parts = ["x", "y", "z", "w"];

function addProduct(loop: DotLoop, sum: string, p: string, q: string): string {
  if (loop.width === 1) return loop.sums === "chain" ? `${sum} = fmaf(${p}, ${q}, ${sum});` : `${sum} += ${p} * ${q};`;
  const used = parts.slice(0, loop.width);
  if (loop.sums === "lanes") return used.map((k) => `${sum}.${k} += ${p}.${k} * ${q}.${k};`).join("\n");
  if (loop.sums === "chain") return used.map((k) => `${sum} = fmaf(${p}.${k}, ${q}.${k}, ${sum});`).join("\n");
  return `${sum} += ${used.map((k) => `${p}.${k} * ${q}.${k}`).join(" + ")};`;
}

/** Statements that leave this thread's share of the row's product in `sum`. */
export function dotLoop(loop: DotLoop): string {
  const wide = loop.width > 1;
  const type = wide ? `float${loop.width}` : "float";
  const views = wide
    ? `const ${type}* a_view = reinterpret_cast<const ${type}*>(${loop.row});
const ${type}* x_view = reinterpret_cast<const ${type}*>(${loop.x});
`
    : "";
  const [a, x] = wide ? ["a_view", "x_view"] : [loop.row, loop.x];
  const end = wide ? `${loop.limit} / ${loop.width}` : loop.limit;
  const lanes = wide && loop.sums === "lanes";
  const sum = lanes ? "acc" : "sum";
  const zeros = parts
    .slice(0, loop.width)
    .map(() => "0.0f")
    .join(", ");
  const declare = lanes ? `${type} acc = make_${type}(${zeros});` : "float sum = 0.0f;";
  const finish = lanes
    ? `float sum = ${parts
        .slice(0, loop.width)
        .map((k) => `acc.${k}`)
        .join(" + ")};`
    : "";
  const one = `const ${type} p = ${read(loop.load, `${a}[j]`)};
const ${type} q = ${read(loop.loadX, `${x}[j]`)};
${addProduct(loop, sum, "p", "q")}`;
  if (loop.unroll !== "ahead")
    return `${views}${declare}
${on(loop.unroll === "pragma", "#pragma unroll 8\n")}for (int j = ${loop.first}; j < ${end}; j += ${loop.step}) {
${one}
}
${finish}`;
  const four = [0, 1, 2, 3];
  const at = (k: number): string => (k === 0 ? "j" : k === 1 ? `j + ${loop.step}` : `j + ${k} * ${loop.step}`);
  return `${views}${declare}
int j = ${loop.first};
for (; j + 3 * ${loop.step} < ${end}; j += 4 * ${loop.step}) {
${four.map((k) => `const ${type} p${k} = ${read(loop.load, `${a}[${at(k)}]`)};`).join("\n")}
${four.map((k) => `const ${type} q${k} = ${read(loop.loadX, `${x}[${at(k)}]`)};`).join("\n")}
${four.map((k) => addProduct(loop, sum, `p${k}`, `q${k}`)).join("\n")}
}
for (; j < ${end}; j += ${loop.step}) {
${one}
}
${finish}`;
}

/** A device function that adds a value over the lanes of a warp or a part of it; all lanes or the first get the sum. */
export function laneSum(style: string, name: string): string {
  const head = `__device__ __forceinline__ float ${name}(float v) {`;
  if (style === "down")
    return `${head}
for (int d = 16; d > 0; d >>= 1) {
v += __shfl_down_sync(0xffffffffu, v, d);
}
return v;
}
`;
  if (style === "xor")
    return `${head}
#pragma unroll
for (int d = 16; d > 0; d /= 2) {
v += __shfl_xor_sync(0xffffffffu, v, d);
}
return v;
}
`;
  return `${head}
${[16, 8, 4, 2, 1].map((d) => `v += __shfl_xor_sync(0xffffffffu, v, ${d});`).join("\n")}
return v;
}
`;
}

/** A device function that adds over a block of THREADS threads; thread 0 gets the sum, and it may be called again. */
export function blockSum(style: string, threads: number): string {
  if (style === "tree")
    return `__device__ float block_sum(float v) {
__shared__ float cells[${threads}];
__syncthreads();
cells[threadIdx.x] = v;
__syncthreads();
for (int half_size = ${threads} / 2; half_size > 0; half_size >>= 1) {
if (threadIdx.x < half_size) {
cells[threadIdx.x] += cells[threadIdx.x + half_size];
}
__syncthreads();
}
return cells[0];
}
`;
  if (style === "atomic")
    return `__device__ float block_sum(float v) {
__shared__ float total;
__syncthreads();
if (threadIdx.x == 0) {
total = 0.0f;
}
__syncthreads();
atomicAdd(&total, v);
__syncthreads();
return total;
}
`;
  const last =
    style === "first warp"
      ? `v = threadIdx.x < ${threads / 32} ? of_warps[threadIdx.x] : 0.0f;
if (threadIdx.x < 32) {
v = warp_sum(v);
}
return v;`
      : `float total = 0.0f;
for (int w = 0; w < ${threads / 32}; ++w) {
total += of_warps[w];
}
return total;`;
  return `${laneSum("xor", "warp_sum")}
__device__ float block_sum(float v) {
__shared__ float of_warps[${threads / 32}];
v = warp_sum(v);
__syncthreads();
if (threadIdx.x % 32 == 0) {
of_warps[threadIdx.x / 32] = v;
}
__syncthreads();
${last}
}
`;
}

export const blockSums = ["first warp", "tree", "each adds", "atomic"] as const;
export const laneSums = ["down", "xor", "written out"] as const;
