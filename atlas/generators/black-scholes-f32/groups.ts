import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bookArguments, cdfFunction, known, logOf, preparation, valueOf } from "./parts.ts";

const rowParts = ["row.x", "row.y", "row.z", "row.w"];

const full = "0xffffffffu";

function fetchRow(row: "every-lane" | "first-lane"): string {
  return row === "every-lane"
    ? "const float4 row = book[option];"
    : `
          float4 row = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
          if (lane == 0) row = book[option];
          row.x = __shfl_sync(${full}, row.x, 0);
          row.y = __shfl_sync(${full}, row.y, 0);
          row.z = __shfl_sync(${full}, row.z, 0);
          row.w = __shfl_sync(${full}, row.w, 0);`;
}

/** The lanes of a warp, or of a part of it, are scenarios of one option. */
export const warpPerOption: Template = template({
  id: "warp-per-option",
  from: "option-per-thread",
  idea: "Give the lanes of a warp the scenarios of one option and reduce by shuffles.",
  options: {
    formula: ["two-cdfs", "shared-density"],
    cdf: ["normcdff", "erfcf", "poly-fma"],
    math: ["precise", "intrinsic"],
    shuffle: ["xor", "down", "cooperative"],
    row: ["every-lane", "first-lane"],
    scenarios: ["registers", "global"],
    options: ["one", "loop"],
    lanes: [32, 16, 8],
    block: [256, 128],
  },
  valid: ({ formula, cdf, row, lanes }) =>
    (formula === "two-cdfs" || cdf === "poly-fma") && (row === "every-lane" || lanes === 32),
  count: 26,
  write: (o, { n = 0, scenarios: count = 0 }) => {
    const { formula, cdf, math, shuffle, row, scenarios, options, lanes, block } = o;
    const kept = scenarios === "registers";
    const call = shuffle === "down" ? "__shfl_down_sync" : "__shfl_xor_sync";
    const reduce =
      shuffle === "cooperative"
        ? `
          for (int offset = tile.size() / 2; offset > 0; offset /= 2) {
            sum += tile.shfl_down(sum, offset);
            least = fminf(least, tile.shfl_down(least, offset));
          }`
        : `
          #pragma unroll
          for (int offset = LANES / 2; offset > 0; offset >>= 1) {
            sum += ${call}(${full}, sum, offset, LANES);
            least = fminf(least, ${call}(${full}, least, offset, LANES));
          }`;
    const each = kept
      ? "const float factor = factors[b], shift = shifts[b], log_factor = logs[b];"
      : `const float2 shock = shocks[b * LANES + lane];\nconst float factor = shock.x, shift = shock.y;\nconst float log_factor = ${logOf(math, "factor")};`;
    const body = `
      ${fetchRow(row)}
      ${preparation(math, rowParts, "quotient")}
      float sum = 0.0f, least = 1.0e30f;
      #pragma unroll
      for (int b = 0; b < COUNT / LANES; ++b) {
        ${each}
        ${valueOf(formula, math, known, "cdf")}
        sum += value;
        least = fminf(least, value);
      }
      ${reduce}
      if (lane == 0) {
        mean[option] = sum / COUNT;
        worst[option] = least;
      }`;
    const loop = options === "loop";
    const groups = block / lanes;
    const source = `
      ${on(shuffle === "cooperative", "#include <cooperative_groups.h>\n\nnamespace cg = cooperative_groups;\n")}
      #define COUNT ${count}
      #define LANES ${lanes}
      #define RATE 0.03f

      ${on(formula === "two-cdfs", cdfFunction(cdf, "cdf"))}

      extern "C" __global__ void warp_values(const float4* __restrict__ book, const float2* __restrict__ shocks, float* __restrict__ mean, float* __restrict__ worst${on(loop, ", int n")}) {
        const int lane = threadIdx.x % LANES;
        ${on(shuffle === "cooperative", "cg::thread_block_tile<LANES> tile = cg::tiled_partition<LANES>(cg::this_thread_block());")}
        ${on(
          kept,
          `float factors[COUNT / LANES], shifts[COUNT / LANES], logs[COUNT / LANES];
          #pragma unroll
          for (int b = 0; b < COUNT / LANES; ++b) {
            const float2 shock = shocks[b * LANES + lane];
            factors[b] = shock.x;
            shifts[b] = shock.y;
            logs[b] = ${logOf(math, "shock.x")};
          }`,
        )}
        ${
          loop
            ? `for (int option = blockIdx.x * ${groups} + threadIdx.x / LANES; option < n; option += gridDim.x * ${groups}) {\n${body}\n}`
            : `const int option = blockIdx.x * ${groups} + threadIdx.x / LANES;\n${body}`
        }
      }
    `;
    const args = [...bookArguments, ...(loop ? [{ i32: n }] : [])];
    return styled(
      { source, launches: [launch("warp_values", loop ? 132 * 8 : n / groups, block, args)] },
      { names: "snake", indent: 2 },
    );
  },
});

const meets = {
  "first-row": `
        sums[part][column] = sum;
        leasts[part][column] = least;
        __syncthreads();
        if (part == 0) {
          for (int r = 1; r < ROWS; ++r) {
            sum += sums[r][column];
            least = fminf(least, leasts[r][column]);
          }
          mean[option] = sum / SCENARIOS;
          worst[option] = least;
        }`,
  tree: `
        sums[part][column] = sum;
        leasts[part][column] = least;
        for (int half = ROWS / 2; half > 0; half /= 2) {
          __syncthreads();
          if (part < half) {
            sums[part][column] += sums[part + half][column];
            leasts[part][column] = fminf(leasts[part][column], leasts[part + half][column]);
          }
        }
        if (part == 0) {
          mean[option] = sums[0][column] / SCENARIOS;
          worst[option] = leasts[0][column];
        }`,
  atomics: `
        if (part == 0) {
          sums[0][column] = 0.0f;
          lowest[column] = 0x7f000000;
        }
        __syncthreads();
        atomicAdd(&sums[0][column], sum);
        atomicMin(&lowest[column], __float_as_int(fmaxf(least, 0.0f)));
        __syncthreads();
        if (part == 0) {
          mean[option] = sums[0][column] / SCENARIOS;
          worst[option] = __int_as_float(lowest[column]);
        }`,
};

/** A block values a group of options; its rows of threads take parts of the scenarios. */
export const scenarioSplit: Template = template({
  id: "scenario-split",
  from: "scenario-table",
  idea: "Split the scenarios over the rows of a block and add the parts in shared memory.",
  options: {
    formula: ["two-cdfs", "shared-density"],
    cdf: ["poly-fma", "erff", "normcdff"],
    math: ["intrinsic", "precise", "base2"],
    share: ["interleaved", "contiguous"],
    prepared: ["each", "first-row"],
    meet: ["first-row", "tree", "atomics"],
    rows: [4, 2, 8],
    width: [64, 32, 128],
  },
  valid: ({ formula, cdf }) => formula === "two-cdfs" || cdf === "poly-fma",
  count: 24,
  write: ({ formula, cdf, math, share, prepared, meet, rows, width }, { n = 0, scenarios = 0 }) => {
    const first = prepared === "first-row";
    const set = `
      const float4 row = book[option];
      ${preparation(math, rowParts, "quotient")}`;
    const shared = `
      __shared__ float known_terms[5][WIDTH];
      if (part == 0) {
        ${set}
        known_terms[0][column] = spot;
        known_terms[1][column] = vol;
        known_terms[2][column] = root;
        known_terms[3][column] = paid;
        known_terms[4][column] = money;
      }
      __syncthreads();
      const float spot = known_terms[0][column], vol = known_terms[1][column], root = known_terms[2][column];
      const float paid = known_terms[3][column], money = known_terms[4][column];`;
    const loop =
      share === "interleaved"
        ? "for (int s = part; s < SCENARIOS; s += ROWS) {"
        : "for (int s = part * (SCENARIOS / ROWS); s < (part + 1) * (SCENARIOS / ROWS); ++s) {";
    const source = `
      constexpr int SCENARIOS = ${scenarios}, ROWS = ${rows}, WIDTH = ${width};
      constexpr float RATE = 0.03f;

      ${on(formula === "two-cdfs", cdfFunction(cdf, "normal"))}

      extern "C" __global__ void split_scenarios(const float4* __restrict__ book, const float2* __restrict__ shocks, float* __restrict__ mean, float* __restrict__ worst) {
        __shared__ float3 table[SCENARIOS];
        __shared__ float sums[${meet === "atomics" ? "1" : "ROWS"}][WIDTH];
        ${meet === "atomics" ? "__shared__ int lowest[WIDTH];" : "__shared__ float leasts[ROWS][WIDTH];"}
        const int column = threadIdx.x;
        const int part = threadIdx.y;
        const int option = blockIdx.x * WIDTH + column;
        for (int s = part * WIDTH + column; s < SCENARIOS; s += ROWS * WIDTH) {
          const float2 shock = shocks[s];
          table[s] = make_float3(shock.x, ${logOf(math, "shock.x")}, shock.y);
        }
        ${first ? shared : `${set}\n__syncthreads();`}
        float sum = 0.0f, least = 1.0e30f;
        ${loop}
          const float factor = table[s].x, log_factor = table[s].y, shift = table[s].z;
          ${valueOf(formula, math, known, "normal")}
          sum += value;
          least = fminf(least, value);
        }
        ${meets[meet]}
      }
    `;
    return styled(
      { source, launches: [launch("split_scenarios", n / width, [width, rows], bookArguments)] },
      { names: "camel", indent: 4 },
    );
  },
});
