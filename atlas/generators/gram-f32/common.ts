import type { Launch } from "../../../src/domain/index.ts";
import { launch } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;

export const rowsOf = (sizes: Sizes): number => sizes["rows"] ?? 0;
export const finishes = ["atomic", "partials", "partials wide"] as const;

/** The kernel that clears G before atomics, or adds the blocks' partial sums after. */
export function sideKernel(finish: string, parts: number): string {
  if (finish === "atomic")
    return `extern "C" __global__ void clear_gram(float* g) {
g[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
}
`;
  if (finish === "partials")
    return `extern "C" __global__ void add_partials(const float* __restrict__ partial, float* __restrict__ g) {
const int element = blockIdx.x * blockDim.x + threadIdx.x;
float sum = 0.0f;
for (int part = 0; part < ${parts}; ++part) {
sum += partial[part * 4096 + element];
}
g[element] = sum;
}
`;
  return `extern "C" __global__ void add_partials(const float* __restrict__ partial, float* __restrict__ g) {
__shared__ float lines[16][33];
const int element = blockIdx.x * 32 + threadIdx.x;
float sum = 0.0f;
for (int part = threadIdx.y; part < ${parts}; part += 16) {
sum += partial[part * 4096 + element];
}
lines[threadIdx.y][threadIdx.x] = sum;
__syncthreads();
if (threadIdx.y == 0) {
for (int line = 1; line < 16; ++line) {
sum += lines[line][threadIdx.x];
}
g[element] = sum;
}
}
`;
}

/** The statement that hands a block's sum over. */
export function handOver(finish: string, index: string, value: string, part = "blockIdx.x"): string {
  return finish === "atomic"
    ? `atomicAdd(&out[${index}], ${value});`
    : `out[(size_t)${part} * 4096 + ${index}] = ${value};`;
}

/** The main launch, whose last pointer is `out`, with the launch that clears or adds. */
export function withSide(finish: string, main: (out: string) => Launch): Launch[] {
  if (finish === "atomic") return [launch("clear_gram", 16, 256, ["g"]), main("g")];
  if (finish === "partials") return [main("partial"), launch("add_partials", 64, 64, ["partial", "g"])];
  return [main("partial"), launch("add_partials", 128, [32, 16], ["partial", "g"])];
}

/** Statements that define first, end and step of a block's chunks of rows. */
export function dealt(deal: string): string {
  return deal === "stride"
    ? "const int first = blockIdx.x, end = CHUNKS, step = gridDim.x;"
    : `const int each = (CHUNKS + gridDim.x - 1) / gridDim.x;
const int first = blockIdx.x * each, end = min(first + each, CHUNKS), step = 1;`;
}
