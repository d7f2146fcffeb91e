import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { blockScan, sumScan } from "./blocks.ts";

/** Every thread walks along a chunk. */
export const chunks: Template = template({
  id: "chunk-per-thread",
  from: null,
  idea: "Give every thread a chunk of neighbouring numbers, scan the chunks' sums, and walk the chunks again.",
  options: {
    route: ["reread", "write-first"],
    vector: [false, true],
    unroll: [false, true],
    sums: ["chunks", "block", "thread"],
    kind: ["hillis", "serial", "shuffle"],
    index: ["pointer", "subscript"],
    chunk: [1024, 2048, 512, 256, 128],
    block: [128, 64, 256],
  },
  valid: ({ sums, chunk, vector, index }) => (sums !== "thread" || chunk >= 2048) && (!vector || index === "subscript"),
  count: 26,
  write: ({ route, vector, unroll, sums, kind, index, chunk, block }, { n = 0 }) => {
    const count = n / chunk;
    const type = vector ? "int4" : "int";
    const pragma = on(unroll, "#pragma unroll 8");
    const loop = (body: string): string => `${pragma}\nfor (int i = 0; i < CHUNK; ++i) {\n${body}\n}`;
    const walk = (from: string): string =>
      vector
        ? loop(`int4 v = ${from}[i];
          v.x += sum;
          v.y += v.x;
          v.z += v.y;
          v.w += v.z;
          sum = v.w;
          to[i] = v;`)
        : index === "pointer"
          ? `${pragma}\nfor (const int* p = ${from}; p != ${from} + CHUNK; ++p) {\nsum += *p;\n*to++ = sum;\n}`
          : loop(`sum += ${from}[i];\nto[i] = sum;`);
    const first =
      route === "reread"
        ? `int sum = 0;\n${loop(vector ? "const int4 v = from[i];\nsum += v.x + v.y + v.z + v.w;" : "sum += from[i];")}\nsums[t] = sum;`
        : `${type}* to = out + (size_t)t * CHUNK;\nint sum = 0;\n${walk("from")}\nsums[t] = sum;`;
    const second =
      route === "reread"
        ? `int sum = sums[t];\n${walk("from")}`
        : `const int b = sums[t];\n${loop(vector ? "to[i].x += b;\nto[i].y += b;\nto[i].z += b;\nto[i].w += b;" : "to[i] += b;")}`;
    const source = `
      #define CHUNK ${vector ? chunk / 4 : chunk}
      #define THREADS ${block}
      ${on(sums !== "thread", blockScan(kind, "branch"))}
      extern "C" __global__ void first_walk(const ${type}* __restrict__ x, ${on(route !== "reread", `${type}* __restrict__ out, `)}int* __restrict__ sums) {
        const int t = blockIdx.x * THREADS + threadIdx.x;
        const ${type}* from = x + (size_t)t * CHUNK;
        ${first}
      }

      ${sumScan(sums)}
      extern "C" __global__ void second_walk(${on(route === "reread", `const ${type}* __restrict__ x, `)}const int* __restrict__ sums, ${type}* __restrict__ out) {
        const int t = blockIdx.x * THREADS + threadIdx.x;
        ${on(route === "reread", `const ${type}* from = x + (size_t)t * CHUNK;`)}
        ${type}* to = out + (size_t)t * CHUNK;
        ${second}
      }
    `;
    const reread = route === "reread";
    const launches = [
      launch("first_walk", count / block, block, reread ? ["x", "aux"] : ["x", "out", "aux"]),
      launch("scan_sums", 1, block, ["aux", { i32: count }]),
      launch("second_walk", count / block, block, reread ? ["x", "aux", "out"] : ["aux", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** One number per thread, scanned in shared memory. */
export const onePerThread: Template = template({
  id: "number-per-thread",
  from: "chunk-per-thread",
  idea: "Use one thread per number: scan every block in shared memory, then scan the blocks' sums in the same way.",
  options: {
    buffer: ["two-barriers", "ping-pong", "registers"],
    loop: ["while", "for", "unrolled"],
    levels: ["grouped", "one-block"],
    memory: ["static", "dynamic"],
    add: ["if", "select"],
    restrict: [false, true],
    block: [256, 512, 1024, 128],
  },
  valid: ({ levels, block }) => levels === "one-block" || block >= 256,
  count: 26,
  write: ({ buffer, loop, levels, memory, add, restrict, block }, { n = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const blocks = n / block;
    const groups = Math.ceil(blocks / block);
    const loops = {
      for: `for (int d = 1; d < BLOCK; d <<= 1) {\n${reachStep(buffer, add, "d")}\n}`,
      while: `int d = 1;\nwhile (d < BLOCK) {\n${reachStep(buffer, add, "d")}\nd *= 2;\n}`,
      unrolled: repeat(Math.log2(block), (k) => `{\n${reachStep(buffer, add, String(2 ** k))}\n}`),
    };
    const cells = `${buffer === "ping-pong" ? "2 * " : ""}BLOCK`;
    const result = buffer === "ping-pong" ? "cell[from + t]" : buffer === "registers" ? "v" : "cell[t]";
    const scan = `
        ${memory === "dynamic" ? "extern __shared__ int cell[];" : `__shared__ int cell[${cells}];`}
        const int t = threadIdx.x;
        const int i = blockIdx.x * BLOCK + t;
        int v = i < count ? x[i] : 0;
        cell[t] = v;
        ${on(buffer === "ping-pong", "int from = 0, into = BLOCK;")}
        __syncthreads();
        ${loops[loop]}
        ${on(buffer !== "registers", `v = ${result};`)}
        if (i < count) out[i] = v;
        if (t == BLOCK - 1) sums[blockIdx.x] = v;`;
    const source = `
      #define BLOCK ${block}
      extern "C" __global__ void scan_blocks(const int*${on(levels === "one-block", mark)} x, int* out, int* sums, int count) {
        ${scan}
      }

      ${on(levels === "one-block", oneBlockKernel(mark, memory === "dynamic"))}
      // Adds the inclusive sums of the blocks before.
      extern "C" __global__ void add_before(int*${mark} out, const int*${mark} sums, int count) {
        const int i = blockIdx.x * BLOCK + threadIdx.x;
        if (i < count && blockIdx.x > 0) out[i] += sums[blockIdx.x - 1];
      }
      ${on(levels === "grouped", groupKernels(scan))}
    `;
    const bytes = memory === "dynamic" ? (buffer === "ping-pong" ? 8 : 4) * block : 0;
    const middle =
      levels === "grouped"
        ? [
            launch("scan_sums", groups, block, ["aux", { i32: blocks }], bytes),
            launch("scan_groups", 1, 1, ["aux", { i32: blocks }]),
            launch("add_groups", groups, block, ["aux", { i32: blocks }]),
          ]
        : [launch("scan_block_sums", 1, block, ["aux", { i32: blocks }], bytes)];
    const launches = [
      launch("scan_blocks", blocks, block, ["x", "out", "aux", { i32: n }], bytes),
      ...middle,
      launch("add_before", blocks, block, ["out", "aux", { i32: n }]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

function reachStep(buffer: "two-barriers" | "ping-pong" | "registers", add: "if" | "select", d: string): string {
  return {
    "two-barriers": `
          int other = 0;
          if (t >= ${d}) other = cell[t - ${d}];
          __syncthreads();
          cell[t] += other;
          __syncthreads();`,
    "ping-pong": `
          ${add === "if" ? `cell[into + t] = cell[from + t];\nif (t >= ${d}) cell[into + t] += cell[from + t - ${d}];` : `cell[into + t] = cell[from + t] + (t >= ${d} ? cell[from + t - ${d}] : 0);`}
          int swap = into;
          into = from;
          from = swap;
          __syncthreads();`,
    registers: `
          ${add === "if" ? `if (t >= ${d}) v += cell[t - ${d}];` : `v += t >= ${d} ? cell[t - ${d}] : 0;`}
          __syncthreads();
          cell[t] = v;
          __syncthreads();`,
  }[buffer];
}

function groupKernels(scan: string): string {
  return `
      extern "C" __global__ void scan_groups(int* aux, int blocks) {
        // The blocks' sums lie in front, the sums of groups of them behind.
        int before = 0;
        for (int g = 0; g < (blocks + BLOCK - 1) / BLOCK; ++g) before = aux[blocks + g] += before;
      }

      extern "C" __global__ void scan_sums(int* aux, int count) {
        int* x = aux;
        int* out = aux;
        int* sums = aux + count;
        ${scan}
      }

      extern "C" __global__ void add_groups(int* aux, int count) {
        const int i = blockIdx.x * BLOCK + threadIdx.x;
        if (i < count && blockIdx.x > 0) aux[i] += aux[count + blockIdx.x - 1];
      }`;
}

function oneBlockKernel(mark: string, dynamic: boolean): string {
  return `
      extern "C" __global__ void scan_block_sums(int*${mark} sums, int count) {
        __shared__ int carry;
        ${dynamic ? "extern __shared__ int cell[];" : `__shared__ int cell[BLOCK];`}
        const int t = threadIdx.x;
        if (t == 0) carry = 0;
        for (int first = 0; first < count; first += BLOCK) {
          cell[t] = first + t < count ? sums[first + t] : 0;
          __syncthreads();
          for (int d = 1; d < BLOCK; d *= 2) {
            int other = t >= d ? cell[t - d] : 0;
            __syncthreads();
            cell[t] += other;
            __syncthreads();
          }
          if (first + t < count) sums[first + t] = carry + cell[t];
          __syncthreads();
          if (t == 0) carry += cell[BLOCK - 1];
          __syncthreads();
        }
      }
    `;
}
