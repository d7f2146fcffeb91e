import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { expDifference, lanes4, logarithm, logConstants, type Exponent } from "./pieces.ts";

/** Joins per-thread (peak, mass) pairs over the block; leaves the row's pair in every thread. */
export function pairMerge(how: Exponent, merge: "butterfly" | "tree" | "peak-first", threads: string): string {
  const combine = `
    struct Tally {
      float peak;
      float mass;
    };

    __device__ __forceinline__ Tally join(Tally a, Tally b) {
      Tally c;
      c.peak = fmaxf(a.peak, b.peak);
      c.mass = a.mass * ${expDifference(how, "a.peak", "c.peak")} + b.mass * ${expDifference(how, "b.peak", "c.peak")};
      return c;
    }
  `;
  const bodies = {
    butterfly: `
      __shared__ Tally leaders[${threads} / 32];
      for (int d = 1; d < 32; d <<= 1) {
        Tally from = {__shfl_xor_sync(~0u, t.peak, d), __shfl_xor_sync(~0u, t.mass, d)};
        t = join(t, from);
      }
      __syncthreads();
      if (threadIdx.x % 32 == 0) leaders[threadIdx.x / 32] = t;
      __syncthreads();
      t = leaders[0];
      for (int k = 1; k < ${threads} / 32; k++) t = join(t, leaders[k]);
      return t;`,
    tree: `
      __shared__ Tally slots[${threads}];
      __syncthreads();
      slots[threadIdx.x] = t;
      __syncthreads();
      for (int s = ${threads} / 2; s > 0; s /= 2) {
        if (threadIdx.x < s) slots[threadIdx.x] = join(slots[threadIdx.x], slots[threadIdx.x + s]);
        __syncthreads();
      }
      return slots[0];`,
    "peak-first": `
      __shared__ float peaks[32], masses[32];
      float top = t.peak;
      for (int d = 16; d; d >>= 1) top = fmaxf(top, __shfl_xor_sync(~0u, top, d));
      __syncthreads();
      if (threadIdx.x % 32 == 0) peaks[threadIdx.x / 32] = top;
      __syncthreads();
      top = peaks[0];
      for (int k = 1; k < ${threads} / 32; k++) top = fmaxf(top, peaks[k]);
      t.mass *= ${expDifference(how, "t.peak", "top")};
      for (int d = 16; d; d >>= 1) t.mass += __shfl_xor_sync(~0u, t.mass, d);
      if (threadIdx.x % 32 == 0) masses[threadIdx.x / 32] = t.mass;
      __syncthreads();
      t.peak = top;
      t.mass = 0.0f;
      for (int k = 0; k < ${threads} / 32; k++) t.mass += masses[k];
      return t;`,
  };
  return `
    ${combine}
    __device__ Tally join_block(Tally t) {
      ${bodies[merge]}
    }
  `;
}

/** Takes one quad into the tally. */
export function quadUpdate(how: Exponent, update: "quad" | "each" | "guarded", q: string, tally: string): string {
  const add = (peak: string): string =>
    lanes4.map((lane) => `${tally}.mass += ${expDifference(how, `${q}.${lane}`, peak)};`).join("\n");
  if (update === "each")
    return lanes4.map((lane) => `${tally} = join(${tally}, Tally{${q}.${lane}, 1.0f});`).join("\n");
  const high = `fmaxf(fmaxf(${q}.x, ${q}.y), fmaxf(${q}.z, ${q}.w))`;
  if (update === "guarded")
    return `
      float high = ${high};
      if (high > ${tally}.peak) {
        ${tally}.mass *= ${expDifference(how, `${tally}.peak`, "high")};
        ${tally}.peak = high;
      }
      ${add(`${tally}.peak`)}`;
  return `
      float high = fmaxf(${tally}.peak, ${high});
      ${tally}.mass *= ${expDifference(how, `${tally}.peak`, "high")};
      ${tally}.peak = high;
      ${add("high")}`;
}

/** One pass per row with a running peak. */
export const onePass: Template = template({
  id: "one-pass-block",
  from: "block-per-row",
  idea: "Read the row once: keep a peak and a mass relative to it, and rescale when the peak rises.",
  options: {
    update: ["each", "quad", "guarded"],
    merge: ["tree", "butterfly", "peak-first"],
    exponent: ["intrinsic", "libm", "base2"],
    load: ["plain", "ldg", "ldcs"],
    tallies: [1, 2, 4],
    style: ["indexed", "pointer"],
    bounds: [false, true],
    threads: [256, 512, 128, 1024],
  },
  valid: ({ tallies, style }) => tallies === 1 || style === "indexed",
  count: 28,
  write: ({ update, merge, exponent, load, tallies, style, bounds, threads }, { rows = 0, cols = 0 }) => {
    const get = (place: string): string =>
      ({ plain: `*(${place})`, ldg: `__ldg(${place})`, ldcs: `__ldcs(${place})` })[load];
    const many = `
      int j = threadIdx.x;
      for (; j + ${tallies - 1} * kThreads < kQuads; j += ${tallies} * kThreads) {
        ${repeat(tallies, (k) => `float4 q${k} = ${get(`row + j + ${k} * kThreads`)};`)}
        ${repeat(tallies, (k) => `{${quadUpdate(exponent, update, `q${k}`, `t${k}`)}\n}`)}
      }
      for (; j < kQuads; j += kThreads) {
        float4 q = ${get("row + j")};
        ${quadUpdate(exponent, update, "q", "t0")}
      }`;
    const single =
      style === "indexed"
        ? `
      for (int j = threadIdx.x; j < kQuads; j += kThreads) {
        float4 q = ${get("row + j")};
        ${quadUpdate(exponent, update, "q", "t0")}
      }`
        : `
      const float4* end = row + kQuads;
      for (const float4* at = row + threadIdx.x; at < end; at += kThreads) {
        float4 q = ${get("at")};
        ${quadUpdate(exponent, update, "q", "t0")}
      }`;
    const source = `
      constexpr int kThreads = ${threads};
      constexpr int kCols = ${cols};
      constexpr int kQuads = kCols / 4;
      ${logConstants(exponent)}
      ${pairMerge(exponent, merge, "kThreads")}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(kThreads) ")}nll_rows(const float* __restrict__ logits, const int* __restrict__ labels, float* __restrict__ loss) {
        const float* first = logits + (size_t)blockIdx.x * kCols;
        const float4* row = reinterpret_cast<const float4*>(first);
        ${repeat(tallies, (k) => `Tally t${k} = {-3.0e38f, 0.0f};`)}
        ${tallies === 1 ? single : many}
        ${repeat(tallies - 1, (k) => `t0 = join(t0, t${k + 1});`)}
        Tally all = join_block(t0);
        if (threadIdx.x == 0) {
          loss[blockIdx.x] = all.peak - first[labels[blockIdx.x]] + ${logarithm(exponent, "all.mass")};
        }
      }
    `;
    return styled(
      { source, launches: [launch("nll_rows", rows, threads, ["logits", "labels", "loss"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** The whole row in shared memory. */
export const sharedRow: Template = template({
  id: "row-in-shared",
  from: "block-per-row",
  idea: "Copy the row into shared memory once and take both passes from there.",
  options: {
    copy: ["quads", "async", "scalar"],
    overlap: [false, true],
    width: ["quad", "scalar"],
    exponent: ["intrinsic", "libm", "base2"],
    reduce: ["shuffle", "tree"],
    hit: ["shared", "global"],
    unroll: [false, true],
    threads: [1024, 512, 256],
  },
  valid: ({ copy, overlap }) => copy !== "async" || !overlap,
  count: 25,
  write: ({ copy, overlap, width, exponent, reduce, hit, unroll, threads }, { rows = 0, cols = 0 }) => {
    const pragma = on(unroll, "#pragma unroll 4");
    const sweep = (line: (v: string) => string): string =>
      width === "quad"
        ? `
        for (int i = tid; i < COLS / 4; i += THREADS) {
          float4 q = reinterpret_cast<float4*>(row)[i];
          ${lanes4.map((lane) => line(`q.${lane}`)).join("\n")}
        }`
        : `
        ${pragma}
        for (int i = tid; i < COLS; i += THREADS) {
          ${line("row[i]")}
        }`;
    const source = `
      ${on(copy === "async", "#include <cuda_pipeline.h>")}
      #define THREADS ${threads}
      #define COLS ${cols}
      ${logConstants(exponent)}

      __device__ float highest_of(float v, float* spot) {
        ${spotFold(reduce, (a, b) => `fmaxf(${a}, ${b})`)}
      }

      __device__ float sum_of(float v, float* spot) {
        ${spotFold(reduce, (a, b) => `${a} + ${b}`)}
      }

      extern "C" __global__ void staged_loss(const float* __restrict__ logits, const int* __restrict__ labels, float* __restrict__ loss) {
        extern __shared__ float4 stage[];
        __shared__ float spot[THREADS];
        float* row = (float*)stage;
        const float* from = logits + (size_t)blockIdx.x * COLS;
        const int tid = threadIdx.x;
        float peak = -3.0e38f;
        ${stageCopy(copy, overlap, pragma)}
        __syncthreads();
        ${on(
          !overlap,
          sweep((v) => `peak = fmaxf(peak, ${v});`),
        )}
        peak = highest_of(peak, spot);
        float mass = 0.0f;
        ${sweep((v) => `mass += ${expDifference(exponent, v, "peak")};`)}
        mass = sum_of(mass, spot);
        if (tid == 0) {
          float target = ${hit === "shared" ? "row" : "from"}[labels[blockIdx.x]];
          loss[blockIdx.x] = peak + ${logarithm(exponent, "mass")} - target;
        }
      }
    `;
    return styled(
      { source, launches: [launch("staged_loss", rows, threads, ["logits", "labels", "loss"], cols * 4)] },
      { names: "snake", indent: 2 },
    );
  },
});

function spotFold(reduce: "shuffle" | "tree", join: (a: string, b: string) => string): string {
  return reduce === "tree"
    ? `
        spot[threadIdx.x] = v;
        __syncthreads();
        for (int n = THREADS / 2; n >= 1; n /= 2) {
          if (threadIdx.x < n) spot[threadIdx.x] = ${join("spot[threadIdx.x]", "spot[threadIdx.x + n]")};
          __syncthreads();
        }
        v = spot[0];
        __syncthreads();
        return v;`
    : `
        for (int n = 16; n >= 1; n /= 2) {
          float w = __shfl_xor_sync(0xffffffff, v, n);
          v = ${join("v", "w")};
        }
        if (threadIdx.x % 32 == 0) spot[threadIdx.x / 32] = v;
        __syncthreads();
        v = spot[threadIdx.x % (THREADS / 32)];
        for (int n = THREADS / 64; n >= 1; n /= 2) {
          float w = __shfl_xor_sync(0xffffffff, v, n);
          v = ${join("v", "w")};
        }
        __syncthreads();
        return v;`;
}

function stageCopy(copy: "quads" | "async" | "scalar", overlap: boolean, pragma: string): string {
  const track = (v: string): string => on(overlap, `peak = fmaxf(peak, ${v});`);
  return {
    quads: `
        ${pragma}
        for (int i = tid; i < COLS / 4; i += THREADS) {
          float4 q = ((const float4*)from)[i];
          ((float4*)row)[i] = q;
          ${lanes4.map((lane) => track(`q.${lane}`)).join("\n")}
        }`,
    scalar: `
        ${pragma}
        for (int i = tid; i < COLS; i += THREADS) {
          float v = from[i];
          row[i] = v;
          ${track("v")}
        }`,
    async: `
        for (int i = tid; i < COLS / 4; i += THREADS) {
          __pipeline_memcpy_async((float4*)row + i, (const float4*)from + i, sizeof(float4));
        }
        __pipeline_commit();
        __pipeline_wait_prior(0);`,
  }[copy];
}
