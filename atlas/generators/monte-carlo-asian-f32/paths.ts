import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { addToPrice, clearPrices, contract, exponential, gauss, philox, type Exp } from "./parts.ts";

const lanes = ["x", "y", "z", "w"] as const;

/** Four steps of one path of one option from the normals in `z`. */
function fourSteps(walk: "product" | "log", exp: Exp): string {
  return lanes
    .map((lane) =>
      walk === "product"
        ? `stock *= ${exponential(exp, `fmaf(c.sigma, z.${lane}, c.drift)`)};\nsum += stock;`
        : `x += fmaf(c.sigma, z.${lane}, c.drift);\nsum += ${exponential(exp, "x")};`,
    )
    .join("\n");
}

const walkStart = (walk: "product" | "log"): string =>
  `float sum = 0.0f;\n${walk === "product" ? "float stock = 1.0f;" : "float x = 0.0f;"}`;

/** A thread per path and option, which draws its own normals. */
export const pathThread: Template = template({
  id: "path-per-thread",
  from: null,
  idea: "Give each pair of path and option a thread, precompute the constants of a step and reduce in the block.",
  options: {
    reduce: ["tree", "warps", "warp-atomic", "thread-atomic", "shared-atomic"],
    mixer: ["umulhi", "wide", "macro", "keys"],
    trig: ["split", "pi", "short"],
    log: ["natural", "short", "two"],
    exp: ["expf", "short", "exp2f", "machine"],
    walk: ["product", "log"],
    order: ["paths-first", "options-first"],
    unroll: [false, true],
    block: [128, 256, 64, 512],
  },
  count: 36,
  write: ({ reduce, mixer, trig, log, exp, walk, order, unroll, block }, { options = 0, paths = 0, steps = 0 }) => {
    const [tile, option] = order === "paths-first" ? ["blockIdx.x", "blockIdx.y"] : ["blockIdx.y", "blockIdx.x"];
    const source = `
      ${philox(mixer)}
      ${gauss(log, trig)}
      ${contract(exp, paths, steps)}
      ${clearPrices(options)}
      extern "C" __global__ void simulate(const float* __restrict__ book, const unsigned int* __restrict__ key, float* price) {
        const int path = ${tile} * ${block} + threadIdx.x;
        const int option = ${option};
        const Contract c = read_contract(book, option);
        const uint2 seed = make_uint2(key[0], key[1]);
        ${walkStart(walk)}
        ${on(unroll, "#pragma unroll", "#pragma unroll 1")}
        for (int group = 0; group < ${steps / 4}; ++group) {
          const float4 z = gauss_four(path, group, seed);
          ${fourSteps(walk, exp)}
        }
        float value = worth(c, sum);
        ${addToPrice(reduce, "price + option", block)}
      }
    `;
    const grid = order === "paths-first" ? ([paths / block, options] as const) : ([options, paths / block] as const);
    const launches = [
      launch("clear_prices", 1, 128, ["price"]),
      launch("simulate", grid, block, ["book", "key", "price"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Payoffs of all paths first, their means in a second launch. */
export const payoffArray: Template = template({
  id: "payoff-array",
  from: "path-per-thread",
  idea: "Write every payoff and take the means in a second launch, without atomics.",
  options: {
    layout: ["option-rows", "path-rows"],
    mean: ["block", "block-vector", "warp", "serial"],
    per: [1, 2, 4],
    mixer: ["wide", "umulhi", "keys"],
    trig: ["pi", "short", "split"],
    exp: ["short", "expf", "exp2f"],
    walk: ["product", "log"],
    stream: [false, true],
    block: [256, 128, 512],
  },
  valid: ({ layout, mean }) => layout === "option-rows" || mean === "serial" || mean === "block",
  count: 32,
  write: ({ layout, mean, per, mixer, trig, exp, walk, stream, block }, { options = 0, paths = 0, steps = 0 }) => {
    const place = layout === "option-rows" ? "(size_t)option * PATHS + path" : "(size_t)path * OPTIONS + option";
    const put = stream ? `__stcs(payoffs + ${place}, worth(c, sum));` : `payoffs[${place}] = worth(c, sum);`;
    const source = `
      #define PATHS ${paths}
      #define OPTIONS ${options}
      #define GROUPS ${steps / 4}
      ${philox(mixer)}
      ${gauss("short", trig)}
      ${contract(exp, paths, steps)}
      extern "C" __global__ void walk_paths(const float* __restrict__ book, const unsigned int* __restrict__ key, float* __restrict__ payoffs) {
        ${
          layout === "option-rows"
            ? `const int option = blockIdx.y;
        const int start = blockIdx.x * blockDim.x * ${per} + threadIdx.x;`
            : `const int option = (blockIdx.x * blockDim.x + threadIdx.x) % OPTIONS;
        const int start = (blockIdx.x * blockDim.x + threadIdx.x) / OPTIONS * ${per};`
        }
        const Contract c = read_contract(book, option);
        const uint2 seed = make_uint2(key[0], key[1]);
        for (int k = 0; k < ${per}; ++k) {
          const int path = start + k${on(layout === "option-rows", " * blockDim.x")};
          ${walkStart(walk)}
          for (int group = 0; group < GROUPS; ++group) {
            const float4 z = gauss_four(path, group, seed);
            ${fourSteps(walk, exp)}
          }
          ${put}
        }
      }

      ${meanKernel(mean, layout === "option-rows")}
    `;
    const grid =
      layout === "option-rows"
        ? ([paths / (block * per), options] as const)
        : ([(paths * options) / (block * per), 1] as const);
    const seconds = { block: options, "block-vector": options, warp: options / 4, serial: options / 32 };
    const threads = { block: 256, "block-vector": 256, warp: 128, serial: 32 };
    const launches = [
      launch("walk_paths", grid, block, ["book", "key", "payoffs"]),
      launch("mean_payoffs", seconds[mean], threads[mean], ["payoffs", "price"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

function meanKernel(mean: "block" | "block-vector" | "warp" | "serial", rows: boolean): string {
  const at = (p: string): string => (rows ? `(size_t)o * PATHS + ${p}` : `(size_t)(${p}) * OPTIONS + o`);
  const head =
    'extern "C" __global__ void mean_payoffs(const float* __restrict__ payoffs, float* __restrict__ price) {';
  if (mean === "serial") {
    return `
      ${head}
        const int o = blockIdx.x * 32 + threadIdx.x;
        float total = 0.0f;
        for (int p = 0; p < PATHS; p += 256) {
          float part = 0.0f;
          for (int q = p; q < p + 256; ++q) part += payoffs[${at("q")}];
          total += part;
        }
        price[o] = total;
      }
    `;
  }
  if (mean === "warp") {
    return `
      ${head}
        const int o = blockIdx.x * 4 + threadIdx.x / 32;
        float total = 0.0f;
        for (int p = threadIdx.x % 32; p < PATHS; p += 32) total += payoffs[${at("p")}];
        for (int step = 16; step > 0; step /= 2) total += __shfl_down_sync(0xffffffffu, total, step);
        if (threadIdx.x % 32 == 0) price[o] = total;
      }
    `;
  }
  const loop =
    mean === "block"
      ? `for (int p = threadIdx.x; p < PATHS; p += 256) total += payoffs[${at("p")}];`
      : `for (int p = threadIdx.x; p < PATHS / 4; p += 256) {
          const float4 v = reinterpret_cast<const float4*>(payoffs + (size_t)o * PATHS)[p];
          total += (v.x + v.y) + (v.z + v.w);
        }`;
  return `
    ${head}
      __shared__ float cells[256];
      const int o = blockIdx.x;
      float total = 0.0f;
      ${loop}
      cells[threadIdx.x] = total;
      __syncthreads();
      for (int half = 128; half > 0; half >>= 1) {
        if (threadIdx.x < half) cells[threadIdx.x] += cells[threadIdx.x + half];
        __syncthreads();
      }
      if (threadIdx.x == 0) price[o] = cells[0];
    }
  `;
}

/** Blocks of one option loop over paths with the sum in a register. */
export const pathLoop: Template = template({
  id: "path-loop",
  from: "path-per-thread",
  idea: "Let every thread simulate many paths of one option and reduce once at the end.",
  options: {
    together: [1, 2, 4],
    reduce: ["warps", "tree", "warp-atomic", "shared-atomic"],
    mixer: ["umulhi", "macro", "wide"],
    trig: ["pi", "short"],
    log: ["two", "natural", "short"],
    exp: ["short", "exp2f", "machine", "expf"],
    walk: ["product", "log"],
    contiguous: [false, true],
    compensated: [false, true],
    shares: [16, 8, 32],
    block: [128, 256],
  },
  count: 34,
  write: (
    { together, reduce, mixer, trig, log, exp, walk, contiguous, compensated, shares, block },
    { options = 0, paths = 0, steps = 0 },
  ) => {
    const count = paths / (shares * block);
    const each = (line: (k: number) => string): string => repeat(together, line);
    const path = (k: number): string => (contiguous ? `first + i + ${k}` : `first + (i + ${k}) * ${block}`);
    const step = (k: number, lane: string): string =>
      walk === "product"
        ? `s${k} *= ${exponential(exp, `fmaf(c.sigma, z${k}.${lane}, c.drift)`)};\nsum${k} += s${k};`
        : `s${k} += fmaf(c.sigma, z${k}.${lane}, c.drift);\nsum${k} += ${exponential(exp, `s${k}`)};`;
    const gather = (k: number): string =>
      compensated
        ? `{
            const float term = worth(c, sum${k}) - lost;
            const float next = value + term;
            lost = (next - value) - term;
            value = next;
          }`
        : `value += worth(c, sum${k});`;
    const source = `
      constexpr int COUNT = ${count};  // paths per thread
      ${philox(mixer)}
      ${gauss(log, trig)}
      ${contract(exp, paths, steps)}
      ${clearPrices(options)}
      extern "C" __global__ void __launch_bounds__(${block}) simulate_share(const float* __restrict__ book, const unsigned int* __restrict__ key, float* __restrict__ price) {
        const int option = blockIdx.y;
        const int first = ${contiguous ? `(blockIdx.x * ${block} + threadIdx.x) * COUNT` : `blockIdx.x * ${block} * COUNT + threadIdx.x`};
        const Contract c = read_contract(book, option);
        const uint2 seed = make_uint2(key[0], key[1]);
        float value = 0.0f;
        ${on(compensated, "float lost = 0.0f;")}
        for (int i = 0; i < COUNT; i += ${together}) {
          ${each((k) => `float s${k} = ${walk === "product" ? "1.0f" : "0.0f"}, sum${k} = 0.0f;`)}
          for (int group = 0; group < ${steps / 4}; ++group) {
            ${each((k) => `const float4 z${k} = gauss_four(${path(k)}, group, seed);`)}
            ${lanes.map((lane) => each((k) => step(k, lane))).join("\n")}
          }
          ${each(gather)}
        }
        ${addToPrice(reduce, "price + option", block)}
      }
    `;
    const launches = [
      launch("clear_prices", 1, 96, ["price"]),
      launch("simulate_share", [shares, options], block, ["book", "key", "price"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
