import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { expDifference, lanes4, logarithm, logConstants } from "./pieces.ts";
import { pairMerge, quadUpdate } from "./single.ts";

type Combine = "thread" | "warp" | "last-block";

function combineKernel(combine: Combine, pair: (s: string) => [string, string], log: string): string {
  const fold = (from: string, step: string): string => `
    for (int s = ${from}; s < PARTS; s += ${step}) {
      sum = join(sum, Tally{${pair("s").join(", ")}});
    }`;
  if (combine === "last-block") return "";
  const thread = `
    extern "C" __global__ void combine_parts(const float* logits, const int* labels, const float* partial, float* loss, int rows) {
      int r = blockIdx.x * blockDim.x + threadIdx.x;
      if (r >= rows) return;
      Tally sum = {-3.0e38f, 0.0f};
      ${fold("0", "1")}
      loss[r] = sum.peak + ${log} - logits[(size_t)r * COLS + labels[r]];
    }
  `;
  const warp = `
    extern "C" __global__ void combine_parts(const float* logits, const int* labels, const float* partial, float* loss, int rows) {
      int r = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
      int lane = threadIdx.x % 32;
      if (r >= rows) return;
      Tally sum = {-3.0e38f, 0.0f};
      ${fold("lane", "32")}
      for (int d = 16; d > 0; d /= 2) {
        Tally far = {__shfl_xor_sync(0xffffffffu, sum.peak, d), __shfl_xor_sync(0xffffffffu, sum.mass, d)};
        sum = join(sum, far);
      }
      if (lane == 0) loss[r] = sum.peak + ${log} - logits[(size_t)r * COLS + labels[r]];
    }
  `;
  return combine === "warp" ? warp : thread;
}

function partBody(
  walk: "running" | "twice" | "contiguous",
  how: Parameters<typeof expDifference>[0],
  update: "quad" | "each" | "guarded",
): string {
  if (walk === "running")
    return `
      for (int i = threadIdx.x; i < PART; i += TB) {
        float4 q = row[i];
        ${quadUpdate(how, update, "q", "mine")}
      }`;
  if (walk === "contiguous")
    return `
      // Every thread owns neighbouring quads.
      const int each = (PART + TB - 1) / TB;
      const int stop = min(((int)threadIdx.x + 1) * each, PART);
      for (int i = threadIdx.x * each; i < stop; ++i) {
        float4 q = row[i];
        ${quadUpdate(how, update, "q", "mine")}
      }`;
  return `
      for (int i = threadIdx.x; i < PART; i += TB) {
        float4 q = row[i];
        mine.peak = fmaxf(mine.peak, fmaxf(fmaxf(q.x, q.y), fmaxf(q.z, q.w)));
      }
      for (int i = threadIdx.x; i < PART; i += TB) {
        float4 q = row[i];
        ${lanes4.map((lane) => `mine.mass += ${expDifference(how, `q.${lane}`, "mine.peak")};`).join("\n")}
      }`;
}

/** Several blocks per row. */
export const splitRow: Template = template({
  id: "split-row",
  from: "one-pass-block",
  idea: "Split each row over several blocks and combine the parts' peaks and masses afterwards.",
  options: {
    combine: ["thread", "warp", "last-block"],
    walk: ["running", "twice", "contiguous"],
    update: ["quad", "guarded", "each"],
    merge: ["butterfly", "tree", "peak-first"],
    exponent: ["intrinsic", "libm", "base2"],
    layout: ["pairs", "planes"],
    order: ["parts-x", "rows-x"],
    parts: [8, 4, 2, 16, 32],
    threads: [128, 256, 64, 512],
  },
  valid: ({ walk, update }) => walk !== "twice" || update === "quad",
  count: 27,
  write: (options, { rows = 0, cols = 0 }) => {
    const { combine, walk, update, merge, exponent, layout, order, parts, threads } = options;
    const pair = (s: string): [string, string] =>
      layout === "pairs"
        ? [`partial[2 * (r * PARTS + ${s})]`, `partial[2 * (r * PARTS + ${s}) + 1]`]
        : [`partial[r * PARTS + ${s}]`, `partial[ROWS * PARTS + r * PARTS + ${s}]`];
    const [peak, mass] = pair("p");
    const log = logarithm(exponent, "sum.mass");
    const last = combine === "last-block";
    const ticket = `
      if (threadIdx.x == 0) {
        ${peak} = all.peak;
        ${mass} = all.mass;
        __threadfence();
        unsigned int done = atomicAdd((unsigned int*)partial + 2 * ROWS * PARTS + r, 1u);
        if (done == PARTS - 1) {
          __threadfence();
          Tally sum = {-3.0e38f, 0.0f};
          for (int s = 0; s < PARTS; ++s) {
            sum = join(sum, Tally{__ldcg(&${pair("s")[0]}), __ldcg(&${pair("s")[1]})});
          }
          loss[r] = sum.peak + ${log} - logits[(size_t)r * COLS + labels[r]];
        }
      }`;
    const source = `
      #define ROWS ${rows}
      #define COLS ${cols}
      #define PARTS ${parts}
      #define PART (COLS / PARTS / 4)
      #define TB ${threads}
      ${logConstants(exponent)}
      ${pairMerge(exponent, merge, "TB")}
      ${on(
        last,
        `extern "C" __global__ void clear_counters(unsigned int* partial) {
        unsigned int* counters = partial + 2 * ROWS * PARTS;
        int r = blockIdx.x * blockDim.x + threadIdx.x;
        if (r < ROWS) counters[r] = 0u;
      }`,
      )}

      extern "C" __global__ void part_tallies(const float* logits, ${on(last, "const int* labels, ")}float* partial${on(last, ", float* loss")}) {
        const int ${order === "parts-x" ? "p = blockIdx.x, r = blockIdx.y" : "r = blockIdx.x, p = blockIdx.y"};
        const float4* row = (const float4*)(logits + (size_t)r * COLS) + p * PART;
        Tally mine = {-3.0e38f, 0.0f};
        ${partBody(walk, exponent, update)}
        Tally all = join_block(mine);
        ${last ? ticket : `if (threadIdx.x == 0) {\n${peak} = all.peak;\n${mass} = all.mass;\n}`}
      }

      ${combineKernel(combine, pair, log)}
    `;
    const grid = order === "parts-x" ? ([parts, rows] as const) : ([rows, parts] as const);
    const after = ["logits", "labels", "partial", "loss", { i32: rows }];
    const launches = last
      ? [
          launch("clear_counters", Math.ceil(rows / 256), 256, ["partial"]),
          launch("part_tallies", grid, threads, ["logits", "labels", "partial", "loss"]),
        ]
      : [
          launch("part_tallies", grid, threads, ["logits", "partial"]),
          launch("combine_parts", Math.ceil((rows * (combine === "warp" ? 32 : 1)) / 128), 128, after),
        ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** One pass against a shift that is known before the row is read. */
export const pivot: Template = template({
  id: "known-shift",
  from: "block-per-row",
  idea: "Shift by a logit that is at hand before the pass instead of the maximum; the logarithm undoes any shift.",
  options: {
    shift: ["target", "first", "sample"],
    owner: ["block", "warp"],
    vector: [true, false],
    exponent: ["intrinsic", "libm", "base2"],
    sums: [1, 2, 4],
    load: ["plain", "ldg", "ldcs"],
    finish: ["leaders", "atomic"],
    threads: [256, 128, 512, 1024],
  },
  valid: ({ owner, finish, sums, vector }) => (owner === "block" || finish === "leaders") && (vector || sums === 1),
  count: 27,
  write: ({ shift, owner, vector, exponent, sums, load, finish, threads }, { rows = 0, cols = 0 }) => {
    const warp = owner === "warp";
    const read = (place: string): string =>
      ({ plain: place, ldg: `__ldg(&${place})`, ldcs: `__ldcs(&${place})` })[load];
    const width = warp ? "32" : "THREADS";
    const member = warp ? "lane" : "(int)threadIdx.x";
    const sample = `
      float shift = base[lane * (COLS / 32)];
      for (int d = 16; d > 0; d >>= 1) {
        shift = fmaxf(shift, __shfl_xor_sync(0xffffffffu, shift, d));
      }`;
    const total = repeat(sums, (k) => `sum${k}`, " + ");
    const body = vector
      ? `
        const float4 v = ${read("row[i]")};
        ${lanes4.map((lane, k) => `sum${k % sums} += ${expDifference(exponent, `v.${lane}`, "shift")};`).join("\n")}`
      : `sum0 += ${expDifference(exponent, read("row[i]"), "shift")};`;
    const answer = (mass: string): string => `loss[r] = shift + ${logarithm(exponent, mass)} - target;`;
    const end = warp
      ? `if (lane == 0) ${answer("sum")}`
      : finish === "leaders"
        ? `
      if (lane == 0) share[threadIdx.x / 32] = sum;
      __syncthreads();
      if (threadIdx.x < 32) {
        sum = threadIdx.x < THREADS / 32 ? share[threadIdx.x] : 0.0f;
        for (int d = 16; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
        if (threadIdx.x == 0) ${answer("sum")}
      }`
        : `
      if (lane == 0) atomicAdd(&share, sum);
      __syncthreads();
      if (threadIdx.x == 0) ${answer("share")}`;
    const source = `
      constexpr int THREADS = ${threads};
      constexpr int COLS = ${cols};
      constexpr int N = ${vector ? "COLS / 4" : "COLS"};
      ${logConstants(exponent)}
      extern "C" __global__ void shifted_loss(const float* __restrict__ logits, const int* __restrict__ labels, float* __restrict__ loss) {
        ${on(!warp, finish === "leaders" ? "__shared__ float share[THREADS / 32];" : "__shared__ float share;\nif (threadIdx.x == 0) share = 0.0f;\n__syncthreads();")}
        const int lane = threadIdx.x & 31;
        const int r = ${warp ? "blockIdx.x * (THREADS / 32) + (threadIdx.x >> 5)" : "blockIdx.x"};
        const float* base = logits + (size_t)r * COLS;
        const ${vector ? "float4" : "float"}* row = ${vector ? "reinterpret_cast<const float4*>(base)" : "base"};
        const float target = base[labels[r]];
        ${{ target: "const float shift = target;", first: "const float shift = base[0];", sample }[shift]}
        float ${repeat(sums, (k) => `sum${k} = 0.0f`, ", ")};
        for (int i = ${member}; i < N; i += ${width}) {
          ${body}
        }
        float sum = ${total};
        for (int d = 16; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
        ${end}
      }
    `;
    return styled(
      {
        source,
        launches: [launch("shifted_loss", warp ? rows / (threads / 32) : rows, threads, ["logits", "labels", "loss"])],
      },
      { names: "camel", indent: 2 },
    );
  },
});
