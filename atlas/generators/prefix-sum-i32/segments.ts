import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { blockScan, sumScan } from "./blocks.ts";

/** A warp walks along its own segment with a carry. */
export const warpSegments: Template = template({
  id: "segment-per-warp",
  from: "chunk-per-thread",
  idea: "Let every warp walk along a segment with coalesced reads, scanning 32 lanes at a time with a carry.",
  options: {
    route: ["reread", "write-first"],
    vector: [true, false],
    kind: ["shuffle", "serial"],
    warp: ["select", "branch", "lane-left"],
    sums: ["block", "chunks"],
    reduce: ["down", "xor", "intrinsic"],
    unroll: ["none", "four", "two-rows"],
    segment: [4096, 2048, 8192, 16384],
    warps: [8, 4, 16],
  },
  valid: ({ route, reduce, unroll }) =>
    (route === "reread" || reduce === "down") && (unroll !== "two-rows" || route === "reread"),
  count: 30,
  write: ({ route, vector, kind, warp, sums, reduce, unroll, segment, warps }, { n = 0 }) => {
    const type = vector ? "int4" : "int";
    const length = vector ? segment / 4 : segment;
    const pragma = on(unroll === "four", "#pragma unroll 4");
    const reread = route === "reread";
    const total = (v: string): string => (vector ? `${v}.x + ${v}.y + ${v}.z + ${v}.w` : v);
    const walk = segmentWalk(vector, unroll === "two-rows", pragma);
    const folds = {
      down: "for (int d = 16; d > 0; d >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, d);",
      xor: "for (int d = 16; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);",
      intrinsic: "sum = __reduce_add_sync(0xffffffffu, sum);",
    };
    const place = `
        const int lane = threadIdx.x % 32;
        const int segment = (blockIdx.x * THREADS + threadIdx.x) / 32;`;
    const views = (to: boolean): string =>
      `const ${type}* from = x + segment * LENGTH;${on(to, `\n${type}* to = out + segment * LENGTH;`)}`;
    const first = reread
      ? `
        ${views(false)}
        int sum = 0;
        ${pragma}
        for (int i = lane; i < LENGTH; i += 32) {
          const ${type} v = from[i];
          sum += ${total("v")};
        }
        ${folds[reduce]}
        if (lane == 0) sums[segment] = sum;`
      : `
        ${views(true)}
        int carry = 0;
        ${walk}
        if (lane == 0) sums[segment] = carry;`;
    const second = reread
      ? `${views(true)}\nint carry = sums[segment];\n${walk}`
      : `
        ${type}* to = out + segment * LENGTH;
        const int b = sums[segment];
        ${pragma}
        for (int i = lane; i < LENGTH; i += 32) {
          ${vector ? "int4 v = to[i];\nto[i] = make_int4(v.x + b, v.y + b, v.z + b, v.w + b);" : "to[i] += b;"}
        }`;
    const source = `
      #define THREADS ${warps * 32}
      #define LENGTH ${length}
      ${blockScan(kind, warp, true)}
      extern "C" __global__ void walk_first(const ${type}* __restrict__ x, ${on(!reread, `${type}* __restrict__ out, `)}int* __restrict__ sums) {
        ${place}
        ${first}
      }

      ${sumScan(sums)}
      extern "C" __global__ void walk_second(${on(reread, `const ${type}* __restrict__ x, `)}const int* __restrict__ sums, ${type}* __restrict__ out) {
        ${place}
        ${second}
      }
    `;
    const segments = n / segment;
    const threads = warps * 32;
    const launches = [
      launch("walk_first", segments / warps, threads, reread ? ["x", "aux"] : ["x", "out", "aux"]),
      launch("scan_sums", 1, threads, ["aux", { i32: segments }]),
      launch("walk_second", segments / warps, threads, reread ? ["x", "aux", "out"] : ["aux", "out"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** The two sweeps of a balanced tree over two numbers per thread. */
export const treeSweeps: Template = template({
  id: "tree-sweeps",
  from: "number-per-thread",
  idea: "Scan each block with the up-sweep and down-sweep of a balanced tree over two numbers per thread.",
  options: {
    padding: ["none", "macro", "inline"],
    pairing: ["halves", "neighbours"],
    offset: ["doubling", "depth-loop"],
    inclusive: ["add-input", "shift"],
    sums: ["tree", "loop"],
    memory: ["static", "dynamic"],
    restrict: [false, true],
    block: [256, 512, 128, 1024],
  },
  valid: ({ sums, block }) => sums === "loop" || block >= 256,
  count: 25,
  write: ({ padding, pairing, offset, inclusive, sums, memory, restrict, block }, { n = 0 }) => {
    const tile = 2 * block;
    const blocks = n / tile;
    const mark = on(restrict, " __restrict__");
    const at = (index: string): string =>
      ({ none: index, macro: `PAD(${index})`, inline: `(${index}) + ((${index}) >> 5)` })[padding];
    const cells = padding === "none" ? "2 * BLOCK" : "2 * BLOCK + BLOCK / 16";
    const [first, second] = pairing === "halves" ? ["t", "t + BLOCK"] : ["2 * t", "2 * t + 1"];
    const write =
      inclusive === "add-input"
        ? `
        out[${first} + start] = tree[${at(first)}] + a;
        out[${second} + start] = tree[${at(second)}] + b;`
        : `
        out[${first} + start] = tree[${at(`${first} + 1`)}];
        out[${second} + start] = t == BLOCK - 1 ? whole : tree[${at(`${second} + 1`)}];`;
    const declare = memory === "dynamic" ? "extern __shared__ int tree[];" : `__shared__ int tree[${cells}];`;
    const body = (x: string): string => `
        ${declare}
        const int t = threadIdx.x;
        const int start = blockIdx.x * 2 * BLOCK;
        const int a = ${x}[${first} + start];
        const int b = ${x}[${second} + start];
        tree[${at(first)}] = a;
        tree[${at(second)}] = b;
        ${treeCode(offset, at)}`;
    const bytes = memory === "dynamic" ? 4 * (tile + block / 16) : 0;
    const source = `
      #define BLOCK ${block}
      ${on(sums === "tree", `#define SUMS ${blocks}`)}
      ${on(padding === "macro", "#define PAD(i) ((i) + ((i) >> 5))")}
      extern "C" __global__ void sweep_tiles(const int*${mark} x, int*${mark} out, int*${mark} sums) {
        ${body("x")}
        ${write}
        if (t == 0) sums[blockIdx.x] = whole;
      }

      ${sums === "tree" ? sumsTree(body("sums"), first, second, at) : sumsLoop}
    `;
    const launches =
      sums === "tree"
        ? [
            launch("sweep_tiles", blocks, block, ["x", "out", "aux"], bytes),
            launch("sweep_sums", Math.max(1, blocks / tile), block, ["aux"], bytes),
            launch("add_sums", blocks, block, ["out", "aux"]),
          ]
        : [
            launch("sweep_tiles", blocks, block, ["x", "out", "aux"], bytes),
            launch("sweep_sums", 1, Math.min(1024, blocks), ["aux", { i32: blocks }]),
            launch("add_sums", blocks, block, ["out", "aux"]),
          ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const sumsLoop = `extern "C" __global__ void sweep_sums(int* sums, int count) {
        // Every thread owns a run of the sums.
        __shared__ int runs[1024];
        const int each = count / blockDim.x;
        int mine = 0;
        for (int i = threadIdx.x * each; i < (threadIdx.x + 1) * each; ++i) mine += sums[i];
        runs[threadIdx.x] = mine;
        __syncthreads();
        int before = 0;
        for (int k = 0; k < (int)threadIdx.x; ++k) before += runs[k];
        for (int i = threadIdx.x * each; i < (threadIdx.x + 1) * each; ++i) {
          const int v = sums[i];
          sums[i] = before;
          before += v;
        }
      }

      extern "C" __global__ void add_sums(int* out, const int* sums) {
        const int before = sums[blockIdx.x];
        const int i = blockIdx.x * 2 * BLOCK + threadIdx.x;
        out[i] += before;
        out[i + BLOCK] += before;
      }`;

function sumsTree(body: string, first: string, second: string, at: (index: string) => string): string {
  return `extern "C" __global__ void sweep_sums(int* sums) {
        int* tops = sums + SUMS;
        ${body}
        sums[${first} + start] = tree[${at(first)}];
        sums[${second} + start] = tree[${at(second)}];
        if (t == 0) tops[blockIdx.x] = whole;
      }

      extern "C" __global__ void add_sums(int* out, const int* sums) {
        const int* tops = sums + SUMS;
        int before = sums[blockIdx.x];
        for (int k = 0; k < (int)blockIdx.x / (2 * BLOCK); ++k) before += tops[k];
        const int i = blockIdx.x * 2 * BLOCK + threadIdx.x;
        out[i] += before;
        out[i + BLOCK] += before;
      }`;
}

function treeCode(offset: "doubling" | "depth-loop", at: (index: string) => string): string {
  const up = `
          const int low = stride * (2 * t + 1) - 1;
          const int high = stride * (2 * t + 2) - 1;
          tree[${at("high")}] += tree[${at("low")}];`;
  const down = `
          const int low = stride * (2 * t + 1) - 1;
          const int high = stride * (2 * t + 2) - 1;
          const int held = tree[${at("low")}];
          tree[${at("low")}] = tree[${at("high")}];
          tree[${at("high")}] += held;`;
  return offset === "doubling"
    ? `
        int stride = 1;
        for (int active = BLOCK; active > 0; active >>= 1) {
          __syncthreads();
          if (t < active) {
            ${up}
          }
          stride *= 2;
        }
        __syncthreads();
        const int whole = tree[${at("2 * BLOCK - 1")}];
        __syncthreads();
        if (t == 0) tree[${at("2 * BLOCK - 1")}] = 0;
        for (int active = 1; active <= BLOCK; active *= 2) {
          stride >>= 1;
          __syncthreads();
          if (t < active) {
            ${down}
          }
        }
        __syncthreads();`
    : `
        for (int stride = 1; stride <= BLOCK; stride *= 2) {
          __syncthreads();
          if (t < BLOCK / stride) {
            ${up}
          }
        }
        __syncthreads();
        const int whole = tree[${at("2 * BLOCK - 1")}];
        __syncthreads();
        if (t == 0) tree[${at("2 * BLOCK - 1")}] = 0;
        for (int stride = BLOCK; stride >= 1; stride /= 2) {
          __syncthreads();
          if (t < BLOCK / stride) {
            ${down}
          }
        }
        __syncthreads();`;
}

function segmentWalk(vector: boolean, twoRows: boolean, pragma: string): string {
  const type = vector ? "int4" : "int";
  const row = (name: string, at: string): string =>
    vector
      ? `
          ${name}.y += ${name}.x;
          ${name}.z += ${name}.y;
          ${name}.w += ${name}.z;
          const int upto_${name} = warp_scan(${name}.w);
          const int base_${name} = carry + upto_${name} - ${name}.w;
          to[${at}] = make_int4(${name}.x + base_${name}, ${name}.y + base_${name}, ${name}.z + base_${name}, ${name}.w + base_${name});
          carry += __shfl_sync(0xffffffffu, upto_${name}, 31);`
      : `
          const int upto_${name} = warp_scan(${name});
          to[${at}] = carry + upto_${name};
          carry += __shfl_sync(0xffffffffu, upto_${name}, 31);`;
  return twoRows
    ? `
        for (int i = lane; i < LENGTH; i += 64) {
          ${type} a = from[i];
          ${type} b = from[i + 32];
          ${row("a", "i")}
          ${row("b", "i + 32")}
        }`
    : `
        ${pragma}
        for (int i = lane; i < LENGTH; i += 32) {
          ${type} v = from[i];
          ${row("v", "i")}
        }`;
}
