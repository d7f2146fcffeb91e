import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { blockReductions, eachOf, exponential, exponentialConstant } from "./parts.ts";

const multiprocessors = 132;

/** The row is held in shared memory between the passes. */
export const sharedRow: Template = template({
  id: "shared-row",
  from: "block-per-row",
  idea: "Keep the row in shared memory so that global memory is read once.",
  options: {
    keep: ["inputs", "exponentials", "halves"],
    vector: [true, false],
    copy: ["registers", "async"],
    reduce: ["first-warp", "every-warp", "tree"],
    exp: ["fast", "expf", "folded"],
    block: [256, 512, 128, 1024],
    dynamic: [true, false],
    fusedMax: [true, false],
  },
  valid: ({ keep, vector, copy, fusedMax }) =>
    (copy === "registers" || (vector && !fusedMax && keep !== "halves")) && (keep !== "halves" || !vector),
  count: 8,
  write: ({ keep, vector, copy, reduce, exp, block, dynamic, fusedMax }, { rows = 0, cols = 0 }) => {
    const type = vector ? "float4" : "float";
    const length = cols / (vector ? 4 : 1);
    const e = (value: string): string => exponential(exp, value, "peak");
    const cell = keep === "halves" ? "__half" : type;
    const bytes = cols * (keep === "halves" ? 2 : 4);
    const loop = (body: string): string => `for (int i = threadIdx.x; i < LENGTH; i += BLOCK) {\n${body}\n}`;
    const maxOf = (v: string): string =>
      vector ? `peak = fmaxf(peak, fmaxf(fmaxf(${v}.x, ${v}.y), fmaxf(${v}.z, ${v}.w)));` : `peak = fmaxf(peak, ${v});`;
    const load =
      copy === "async"
        ? `
        ${loop("__pipeline_memcpy_async(&row[i], &in[i], sizeof(float4));")}
        __pipeline_commit();
        __pipeline_wait_prior(0);
        __syncthreads();`
        : keep === "halves"
          ? loop(maxOf("in[i]"))
          : loop(`${type} v = in[i];\nrow[i] = v;\n${on(fusedMax, maxOf("v"))}`);
    const maxPass = on(keep !== "halves" && !fusedMax, loop(`${type} v = row[i];\n${maxOf("v")}`));
    const source = `
      ${on(copy === "async", "#include <cuda_pipeline.h>")}
      ${on(keep === "halves", "#include <cuda_fp16.h>")}
      #define BLOCK ${block}
      #define LENGTH ${length}
      ${exponentialConstant(exp)}

      ${blockReductions(reduce)}
      extern "C" __global__ void shared_softmax(const ${type}* __restrict__ x, ${type}* __restrict__ y) {
        ${dynamic ? `extern __shared__ ${cell} row[];` : `__shared__ ${cell} row[LENGTH];`}
        const ${type}* in = x + (size_t)blockIdx.x * LENGTH;
        ${type}* out = y + (size_t)blockIdx.x * LENGTH;
        float peak = -3.0e38f;
        ${load}
        ${maxPass}
        peak = block_max<BLOCK>(peak);
        float sum = 0.0f;
        ${loop(sharedSum(keep, vector, e))}
        float scale = 1.0f / block_sum<BLOCK>(sum);
        ${loop(sharedWrite(keep, vector, e))}
      }
    `;
    const main = launch("shared_softmax", rows, block, ["x", "y"], dynamic ? bytes : 0);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});

type Keep = "inputs" | "exponentials" | "halves";

function sharedSum(keep: Keep, vector: boolean, e: (value: string) => string): string {
  if (keep === "halves") return `float v = ${e("in[i]")};\nrow[i] = __float2half(v);\nsum += v;`;
  if (keep === "inputs" && !vector) return `sum += ${e("row[i]")};`;
  if (!vector) return `float v = ${e("row[i]")};\nrow[i] = v;\nsum += v;`;
  if (keep === "inputs") return `float4 v = row[i];\n${eachOf((part) => `sum += ${e(`v.${part}`)};`)}`;
  return `float4 v = row[i];\n${eachOf((part) => `v.${part} = ${e(`v.${part}`)};`)}\nrow[i] = v;\nsum += (v.x + v.y) + (v.z + v.w);`;
}

function sharedWrite(keep: Keep, vector: boolean, e: (value: string) => string): string {
  if (keep === "halves") return "out[i] = __half2float(row[i]) * scale;";
  const value = (cell: string): string => (keep === "inputs" ? `${e(cell)} * scale` : `${cell} * scale`);
  if (!vector) return `out[i] = ${value("row[i]")};`;
  return `float4 v = row[i];\n${eachOf((part) => `v.${part} = ${value(`v.${part}`)};`)}\nout[i] = v;`;
}

/** The row is held in the block's registers. */
export const registerRow: Template = template({
  id: "register-row",
  from: "shared-row",
  idea: "Keep the row in registers: each thread holds a few float4 of it.",
  options: {
    block: [256, 512, 1024, 128],
    reduce: ["every-warp", "first-warp", "tree"],
    exp: ["folded", "fast", "expf"],
    access: ["plain", "streaming", "ldg"],
    layout: ["striped", "blocked"],
    keepExp: [true, false],
    bounds: [true, false],
    persistent: ["no", "loop", "prefetch"],
    perSm: [4, 2, 6],
  },
  valid: ({ block, perSm, persistent }) =>
    persistent === "no" ? perSm === 4 : block * perSm <= 2048 && (persistent === "loop" || block >= 256),
  count: 8,
  write: ({ block, reduce, exp, access, layout, keepExp, bounds, persistent, perSm }, { rows = 0, cols = 0 }) => {
    const quads = cols / (4 * block);
    const at = layout === "striped" ? "threadIdx.x + k * BLOCK" : "threadIdx.x * QUADS + k";
    const read = (from: string): string =>
      ({ plain: `${from}[${at}]`, streaming: `__ldcs(&${from}[${at}])`, ldg: `__ldg(&${from}[${at}])` })[access];
    const write = access === "streaming" ? `__stcs(&out[${at}], v[k]);` : `out[${at}] = v[k];`;
    const load = (into: string, row: string): string => `
      {
        const float4* in = x + (size_t)(${row}) * LENGTH;
        ${each(`${into}[k] = ${read("in")};`)}
      }`;
    const compute = registerCompute(exp, keepExp);
    const finish = `float4* out = y + (size_t)row * LENGTH;\n${each(`${scaled(exp, keepExp)}\n${write}`)}`;
    const body = {
      no: `int row = blockIdx.x;\nfloat4 v[QUADS];\n${load("v", "row")}\n${compute}\n${finish}`,
      loop: `for (int row = blockIdx.x; row < ROWS; row += gridDim.x) {\nfloat4 v[QUADS];\n${load("v", "row")}\n${compute}\n${finish}\n}`,
      prefetch: `
        float4 next[QUADS];
        ${load("next", "blockIdx.x")}
        for (int row = blockIdx.x; row < ROWS; row += gridDim.x) {
          float4 v[QUADS];
          ${each("v[k] = next[k];")}
          // The next row is on its way while this one is reduced.
          if (row + gridDim.x < ROWS) {
            ${load("next", "row + gridDim.x")}
          }
          ${compute}
          ${finish}
        }`,
    }[persistent];
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int QUADS = ${quads};
      constexpr int LENGTH = BLOCK * QUADS;
      ${on(persistent !== "no", `constexpr int ROWS = ${rows};`)}
      ${exponentialConstant(exp)}

      ${blockReductions(reduce)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}register_softmax(const float4* __restrict__ x, float4* __restrict__ y) {
        ${body}
      }
    `;
    const grid = persistent === "no" ? rows : multiprocessors * perSm;
    return styled(
      { source, launches: [launch("register_softmax", grid, block, ["x", "y"])] },
      { names: "camel", indent: 2 },
    );
  },
});

const each = (line: string): string => `#pragma unroll\nfor (int k = 0; k < QUADS; ++k) {\n${line}\n}`;

function registerCompute(exp: "folded" | "fast" | "expf", keepExp: boolean): string {
  const e = (part: string): string => exponential(exp, `v[k].${part}`, "peak");
  const sum = keepExp
    ? `${eachOf((part) => `v[k].${part} = ${e(part)};`)}\nsum += (v[k].x + v[k].y) + (v[k].z + v[k].w);`
    : eachOf((part) => `sum += ${e(part)};`);
  return `
    float peak = v[0].x;
    ${each("peak = fmaxf(peak, fmaxf(fmaxf(v[k].x, v[k].y), fmaxf(v[k].z, v[k].w)));")}
    peak = block_max<BLOCK>(peak);
    float sum = 0.0f;
    ${each(sum)}
    float scale = 1.0f / block_sum<BLOCK>(sum);`;
}

function scaled(exp: "folded" | "fast" | "expf", keepExp: boolean): string {
  return eachOf(
    (part) => `v[k].${part} ${keepExp ? "*= scale" : `= ${exponential(exp, `v[k].${part}`, "peak")} * scale`};`,
  );
}

/** Persistent blocks with rows arriving asynchronously in a ring of shared-memory buffers. */
export const pipeline: Template = template({
  id: "row-pipeline",
  from: "register-row",
  idea: "Let resident blocks fetch the next rows asynchronously while they work on the current one.",
  options: {
    stages: [2, 3, 4],
    block: [256, 512, 1024, 128],
    perSm: [2, 1, 3],
    work: ["registers", "shared"],
    exp: ["fast", "folded", "expf"],
    reduce: ["every-warp", "first-warp", "tree"],
    store: ["plain", "streaming"],
    slab: [false, true],
  },
  valid: ({ stages, block, perSm, work }) =>
    stages * perSm * 32 <= 200 && block * perSm <= 2048 && (work === "shared" || block >= 256),
  count: 26,
  write: ({ stages, block, perSm, work, exp, reduce, store, slab }, { rows = 0, cols = 0 }) => {
    const put = (at: string): string => (store === "streaming" ? `__stcs(out + ${at}, v);` : `out[${at}] = v;`);
    const source = `
      #include <cuda_pipeline.h>

      #define BLOCK ${block}
      #define STAGES ${stages}
      #define LENGTH ${cols / 4}
      #define QUADS (LENGTH / BLOCK)
      ${exponentialConstant(exp)}

      ${blockReductions(reduce)}
      // Every thread copies exactly the elements that it reads later.
      __device__ __forceinline__ void fetch_row(float4* buffer, const float4* in, bool wanted) {
        if (wanted) {
          #pragma unroll
          for (int k = 0; k < QUADS; ++k) {
            int i = k * BLOCK + threadIdx.x;
            __pipeline_memcpy_async(buffer + i, in + i, sizeof(float4));
          }
        }
        __pipeline_commit();
      }

      extern "C" __global__ void __launch_bounds__(BLOCK) pipelined_softmax(const float4* __restrict__ x, float4* __restrict__ y, int rows) {
        extern __shared__ float4 ring[];
        ${slab ? "int first = (int)((long long)rows * blockIdx.x / gridDim.x);\nint end = (int)((long long)rows * (blockIdx.x + 1) / gridDim.x);\nconst int step = 1;" : "int first = blockIdx.x;\nint end = rows;\nint step = gridDim.x;"}
        for (int s = 0; s < STAGES - 1; ++s) {
          int row = first + s * step;
          fetch_row(ring + s * LENGTH, x + (size_t)row * LENGTH, row < end);
        }
        int stage = 0;
        for (int row = first; row < end; row += step) {
          int ahead = row + (STAGES - 1) * step;
          int free_stage = stage == 0 ? STAGES - 1 : stage - 1;
          fetch_row(ring + free_stage * LENGTH, x + (size_t)ahead * LENGTH, ahead < end);
          __pipeline_wait_prior(STAGES - 1);
          float4* buffer = ring + stage * LENGTH;
          float4* out = y + (size_t)row * LENGTH;
          ${work === "registers" ? pipelineRegisters(exp, put) : pipelineShared(exp, put)}
          stage = stage + 1 == STAGES ? 0 : stage + 1;
        }
      }
    `;
    const bytes = stages * cols * 4;
    const main = launch("pipelined_softmax", multiprocessors * perSm, block, ["x", "y", { i32: rows }], bytes);
    return styled({ source, launches: [main] }, { names: "snake", indent: 4 });
  },
});

function pipelineRegisters(exp: "folded" | "fast" | "expf", put: (at: string) => string): string {
  return `
    float4 q[QUADS];
    float peak = -3.0e38f;
    ${each("q[k] = buffer[k * BLOCK + threadIdx.x];\npeak = fmaxf(peak, fmaxf(fmaxf(q[k].x, q[k].y), fmaxf(q[k].z, q[k].w)));")}
    peak = block_max<BLOCK>(peak);
    float sum = 0.0f;
    ${each(`${eachOf((part) => `q[k].${part} = ${exponential(exp, `q[k].${part}`, "peak")};`)}\nsum += (q[k].x + q[k].y) + (q[k].z + q[k].w);`)}
    float scale = 1.0f / block_sum<BLOCK>(sum);
    ${each(`float4 v = make_float4(q[k].x * scale, q[k].y * scale, q[k].z * scale, q[k].w * scale);\n${put("k * BLOCK + threadIdx.x")}`)}`;
}

function pipelineShared(exp: "folded" | "fast" | "expf", put: (at: string) => string): string {
  const loop = (body: string): string => `for (int i = threadIdx.x; i < LENGTH; i += BLOCK) {\n${body}\n}`;
  return `
    float peak = -3.0e38f;
    ${loop("float4 v = buffer[i];\npeak = fmaxf(peak, fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)));")}
    peak = block_max<BLOCK>(peak);
    float sum = 0.0f;
    ${loop(`float4 v = buffer[i];\n${eachOf((part) => `v.${part} = ${exponential(exp, `v.${part}`, "peak")};`)}\nbuffer[i] = v;\nsum += (v.x + v.y) + (v.z + v.w);`)}
    float scale = 1.0f / block_sum<BLOCK>(sum);
    ${loop(`float4 v = buffer[i];\n${eachOf((part) => `v.${part} *= scale;`)}\n${put("i")}`)}`;
}
