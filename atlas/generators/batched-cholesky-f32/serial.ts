import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { batchOf, count, on, orders, pivots, serialFactor, single, text, type Sizes } from "./fragments.ts";

const clearKernel = `extern "C" __global__ void clear_matrices(float* l, int entries) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < entries; i += gridDim.x * blockDim.x) l[i] = 0.0f;
}

`;

/** Statements that copy a matrix, or its lower triangle, from `src` to `dst`. */
function copyMatrix(vector: boolean): string {
  return vector
    ? `const float4* from = reinterpret_cast<const float4*>(src);
  float4* to = reinterpret_cast<float4*>(dst);
  for (int i = 0; i < 64; ++i) to[i] = from[i];`
    : `for (int r = 0; r < 16; ++r)
    for (int c = 0; c <= r; ++c) dst[r * 16 + c] = src[r * 16 + c];`;
}

const zeroAbove = `for (int r = 0; r < 16; ++r)
    for (int c = r + 1; c < 16; ++c) dst[r * 16 + c] = 0.0f;`;

function writeGlobal(options: Options, sizes: Sizes): KernelDraft {
  const batch = batchOf(sizes);
  const block = count(options, "block");
  const upper = text(options, "upper");
  const vector = on(options, "vector_copy");
  const zeroEarly = upper === "early" && !vector ? zeroAbove : "";
  const zeroLate = vector || upper === "late" ? zeroAbove : "";
  const pragma = on(options, "unroll") ? "#pragma unroll 4\n    " : "";
  const q = on(options, "restrict") ? " __restrict__" : "";
  const needsClear = upper === "launch" && !vector;
  const source = `${needsClear ? clearKernel : ""}extern "C" __global__ void batched_cholesky(const float*${q} a, float*${q} l, int batch) {
  int id = blockIdx.x * blockDim.x + threadIdx.x;
  if (id >= batch) return;
  const float* src = a + (size_t)id * 256;
  float* dst = l + (size_t)id * 256;
  ${zeroEarly}
  ${copyMatrix(vector)}
  ${serialFactor(text(options, "order"), text(options, "pivot"), (r, c) => `dst[${r} * 16 + ${c}]`, pragma)}
  ${zeroLate}
}
`;
  const main = single(source, "batched_cholesky", Math.ceil(batch / block), [block, 1, 1], ["a", "l", { i32: batch }]);
  if (!needsClear) return main;
  const clear = {
    kernel: "clear_matrices",
    grid: [1024, 1, 1] as const,
    block: [256, 1, 1] as const,
    smemBytes: 0,
    args: ["l", { i32: batch * 256 }],
  };
  return { source, launches: [clear, ...main.launches] };
}

const packedIndex = (r: string, c: string): string => `p[${r} * (${r} + 1) / 2 + ${c}]`;
const squareIndex = (r: string, c: string): string => `m[${r}][${c}]`;

/** Statements that fill and empty the thread's own array. */
function ownArray(options: Options): {
  declare: string;
  load: string;
  store: string;
  at: (r: string, c: string) => string;
} {
  const packed = on(options, "packed");
  const at = packed ? packedIndex : squareIndex;
  const u = on(options, "unrolled") ? "#pragma unroll\n  " : "#pragma unroll 1\n  ";
  const read = on(options, "ldg") ? (p: string) => `__ldg(${p})` : (p: string) => `*(${p})`;
  const quadRead = `${u}for (int r = 0; r < 16; ++r) {
    ${u}for (int c = 0; c <= r; c += 4) {
      const float4 v = ${read("reinterpret_cast<const float4*>(src + r * 16 + c)")};
      ${at("r", "c")} = v.x;
      if (c + 1 <= r) ${at("r", "(c + 1)")} = v.y;
      if (c + 2 <= r) ${at("r", "(c + 2)")} = v.z;
      if (c + 3 <= r) ${at("r", "(c + 3)")} = v.w;
    }
  }`;
  const scalarRead = `${u}for (int r = 0; r < 16; ++r) {
    ${u}for (int c = 0; c <= r; ++c) ${at("r", "c")} = ${read("src + r * 16 + c")};
  }`;
  const scalarWrite = `${u}for (int r = 0; r < 16; ++r) {
    ${u}for (int c = 0; c < 16; ++c) dst[r * 16 + c] = c <= r ? ${at("r", "c")} : 0.0f;
  }`;
  const pick = (k: number): string => `c + ${k} <= r ? ${at("r", `(c + ${k})`)} : 0.0f`;
  const quadWrite = `${u}for (int r = 0; r < 16; ++r) {
    ${u}for (int c = 0; c < 16; c += 4) {
      *reinterpret_cast<float4*>(dst + r * 16 + c) = make_float4(${pick(0)}, ${pick(1)}, ${pick(2)}, ${pick(3)});
    }
  }`;
  return {
    declare: packed ? "float p[136];" : "float m[16][16];",
    at,
    load: on(options, "quad_load") ? quadRead : scalarRead,
    store: on(options, "quad_store") ? quadWrite : scalarWrite,
  };
}

function writeRegisters(options: Options, sizes: Sizes): KernelDraft {
  const batch = batchOf(sizes);
  const block = count(options, "block");
  const { declare, load, store, at } = ownArray(options);
  const pragma = on(options, "unrolled") ? "#pragma unroll\n    " : "#pragma unroll 1\n    ";
  const source = `extern "C" __global__ void ${on(options, "bounded") ? `__launch_bounds__(${block}) ` : ""}factorPerThread(const float* __restrict__ a, float* __restrict__ l) {
  const size_t matrix = blockIdx.x * ${block} + threadIdx.x;
  const float* src = a + matrix * 256;
  float* dst = l + matrix * 256;
  ${declare}
  ${load}
  ${serialFactor(text(options, "order"), text(options, "pivot"), at, pragma)}
  ${store}
}
`;
  return single(source, "factorPerThread", batch / block, [block, 1, 1], ["a", "l"]);
}

/** A block's matrices pass through shared memory, so that global accesses coalesce; one thread factors each. */
function writeShared(options: Options, sizes: Sizes): KernelDraft {
  const batch = batchOf(sizes);
  const threads = count(options, "threads");
  const interleaved = on(options, "interleaved");
  const pad = on(options, "padded") ? 1 : 0;
  const pitch = interleaved ? threads + pad : 256 + pad;
  const slot = (m: string, e: string): string =>
    interleaved ? `tile[(${e}) * PITCH + ${m}]` : `tile[${m} * PITCH + ${e}]`;
  const inRegisters = on(options, "registers");
  const at = inRegisters ? squareIndex : (r: string, c: string): string => slot("threadIdx.x", `${r} * 16 + ${c}`);
  const pragma = inRegisters || on(options, "unroll") ? "#pragma unroll\n    " : "";
  const factor = serialFactor(text(options, "order"), text(options, "pivot"), at, pragma);
  const work = inRegisters
    ? `float m[16][16];
#pragma unroll
  for (int r = 0; r < 16; ++r)
#pragma unroll
    for (int c = 0; c <= r; ++c) m[r][c] = ${slot("threadIdx.x", "r * 16 + c")};
  ${factor}
#pragma unroll
  for (int r = 0; r < 16; ++r)
#pragma unroll
    for (int c = 0; c <= r; ++c) ${slot("threadIdx.x", "r * 16 + c")} = m[r][c];`
    : factor;
  const copyIn = on(options, "quads")
    ? `for (int i = threadIdx.x; i < THREADS * 64; i += THREADS) {
    const float4 v = reinterpret_cast<const float4*>(src)[i];
    const int which = i / 64, e = i % 64 * 4;
    ${slot("which", "e")} = v.x;
    ${slot("which", "e + 1")} = v.y;
    ${slot("which", "e + 2")} = v.z;
    ${slot("which", "e + 3")} = v.w;
  }`
    : `for (int i = threadIdx.x; i < THREADS * 256; i += THREADS) {
    const int which = i / 256, e = i % 256;
    ${slot("which", "e")} = src[i];
  }`;
  const source = `#define THREADS ${threads}
#define PITCH ${pitch}

extern "C" __global__ void cholesky_tiles(const float* __restrict__ a, float* __restrict__ l) {
  extern __shared__ float tile[];
  const float* src = a + (size_t)blockIdx.x * THREADS * 256;
  float* dst = l + (size_t)blockIdx.x * THREADS * 256;
  ${copyIn}
  __syncthreads();
  ${work}
  __syncthreads();
  for (int i = threadIdx.x; i < THREADS * 256; i += THREADS) {
    const int which = i / 256, e = i % 256;
    dst[i] = e % 16 <= e / 16 ? ${slot("which", "e")} : 0.0f;
  }
}
`;
  const bytes = 4 * (interleaved ? 256 * pitch : threads * pitch);
  return single(source, "cholesky_tiles", batch / threads, [threads, 1, 1], ["a", "l"], bytes);
}

export const serialTemplates: readonly Template[] = [
  {
    id: "thread-global",
    from: null,
    count: 31,
    idea: "copy first and then factor in place in the output",
    options: {
      order: [...orders],
      pivot: [...pivots],
      upper: ["late", "early", "launch"],
      vector_copy: [false, true],
      unroll: [false, true],
      restrict: [false, true],
      block: [128, 32, 64, 256],
    },
    write: writeGlobal,
  },
  {
    id: "thread-registers",
    from: "thread-global",
    count: 34,
    idea: "hold the matrix in an array of the thread's own",
    options: {
      unrolled: [true, false],
      order: [...orders],
      pivot: [...pivots],
      packed: [false, true],
      quad_load: [false, true],
      quad_store: [false, true],
      ldg: [false, true],
      bounded: [false, true],
      block: [128, 32, 64, 256],
    },
    write: writeRegisters,
  },
  {
    id: "thread-shared",
    from: "thread-registers",
    count: 34,
    idea: "stage the matrices of a block in shared memory",
    options: {
      interleaved: [false, true],
      padded: [false, true],
      registers: [false, true],
      quads: [false, true],
      order: [...orders],
      pivot: [...pivots],
      unroll: [false, true],
      threads: [32, 64, 128],
    },
    write: writeShared,
  },
];
