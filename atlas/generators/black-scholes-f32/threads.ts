import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bookArguments, bookRow, cdfFunction, known, logOf, preparation, valueOf } from "./parts.ts";

/** The formula as written in books, one thread per option. */
export const optionPerThread: Template = template({
  id: "option-per-thread",
  from: null,
  idea: "Read the option once and evaluate the formula in a loop over the scenarios.",
  options: {
    cdf: ["erfcf", "normcdff", "erff", "poly", "poly-fma"],
    log: ["quotient", "difference"],
    math: ["precise", "intrinsic"],
    load: ["scalar", "vector", "__ldg"],
    least: ["fminf", "branch"],
    sizes: ["args", "define"],
    shock: ["pair", "each"],
    unroll: [false, true],
    block: [256, 128, 64, 512],
  },
  count: 28,
  write: ({ cdf, log, math, load, least, sizes, shock, unroll, block }, { n = 0, scenarios = 0 }) => {
    const row = bookRow(load, "i");
    const [spot, strike, years, vol] = row.values;
    const l = math === "precise" ? "logf" : "__logf";
    const e = math === "precise" ? "expf" : "__expf";
    const define = sizes === "define";
    const logs = log === "quotient" ? `${l}(price / strike)` : `${l}(price) - ${l}(strike)`;
    const shocked =
      shock === "pair"
        ? "const float2 shock = reinterpret_cast<const float2*>(shocks)[s];\nconst float price = spot * shock.x;\nconst float sigma = vol + shock.y;"
        : "const float price = spot * shocks[2 * s];\nconst float sigma = vol + shocks[2 * s + 1];";
    const source = `
      ${on(define, `#define n ${n}\n#define scenarios ${scenarios}\n#define rate 0.03f\n`)}
      ${cdfFunction(cdf, "cdf")}

      extern "C" __global__ void revalue(const float* __restrict__ book, const float* __restrict__ shocks, float* __restrict__ mean, float* __restrict__ worst${on(!define, ", int n, int scenarios, float rate")}) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= n) return;
        ${row.text}
        const float spot = ${spot}, strike = ${strike}, years = ${years}, vol = ${vol};
        float sum = 0.0f, least = 1.0e30f;
        ${on(unroll, "#pragma unroll 4")}
        for (int s = 0; s < scenarios; ++s) {
          ${shocked}
          const float spread = sigma * sqrtf(years);
          const float d1 = (${logs} + (rate + 0.5f * sigma * sigma) * years) / spread;
          const float value = price * cdf(d1) - strike * ${e}(-rate * years) * cdf(d1 - spread);
          sum += value;
          ${least === "fminf" ? "least = fminf(least, value);" : "if (value < least) least = value;"}
        }
        mean[i] = sum / scenarios;
        worst[i] = least;
      }
    `;
    const args = [...bookArguments, ...(define ? [] : [{ i32: n }, { i32: scenarios }, { f32: 0.03 }])];
    return styled(
      { source, launches: [launch("revalue", Math.ceil(n / block), block, args)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** What does not depend on the scenario comes before the loop. */
export const hoisted: Template = template({
  id: "hoisted-terms",
  from: "option-per-thread",
  idea: "Split the logarithm and compute everything that depends on the option alone before the loop.",
  options: {
    formula: ["two-cdfs", "shared-density"],
    cdf: ["poly", "erfcf", "normcdff", "poly-fma", "poly-branch", "erff"],
    math: ["precise", "intrinsic", "base2"],
    money: ["quotient", "difference"],
    load: ["vector", "scalar", "__ldg"],
    logs: ["loop", "shared"],
    unroll: [false, true],
    block: [256, 128, 512],
  },
  valid: ({ formula, cdf }) => formula === "two-cdfs" || cdf === "poly",
  count: 30,
  write: ({ formula, cdf, math, money, load, logs, unroll, block }, { n = 0, scenarios = 0 }) => {
    const row = bookRow(load, "i");
    const shared = logs === "shared";
    const source = `
      constexpr float RATE = 0.03f;
      constexpr int SCENARIOS = ${scenarios};

      ${on(formula === "two-cdfs", cdfFunction(cdf, "normal_cdf"))}

      extern "C" __global__ void value_book(const float* __restrict__ book, const float2* __restrict__ shocks, float* __restrict__ mean, float* __restrict__ worst) {
        ${on(
          shared,
          `__shared__ float log_factors[SCENARIOS];
          for (int s = threadIdx.x; s < SCENARIOS; s += ${block}) log_factors[s] = ${logOf(math, "shocks[s].x")};
          __syncthreads();`,
        )}
        const int i = blockIdx.x * ${block} + threadIdx.x;
        ${row.text}
        ${preparation(math, row.values, money)}
        float sum = 0.0f;
        float least = 1.0e30f;
        ${on(unroll, "#pragma unroll 4")}
        for (int s = 0; s < SCENARIOS; ++s) {
          const float factor = shocks[s].x, shift = shocks[s].y;
          const float log_factor = ${shared ? "log_factors[s]" : logOf(math, "factor")};
          ${valueOf(formula, math, known, "normal_cdf")}
          sum += value;
          least = fminf(least, value);
        }
        mean[i] = sum * (1.0f / SCENARIOS);
        worst[i] = least;
      }
    `;
    return styled(
      { source, launches: [launch("value_book", n / block, block, bookArguments)] },
      { names: "camel", indent: 4 },
    );
  },
});

const tables = {
  float4: "__shared__ float4 table[SCENARIOS];",
  arrays: "__shared__ float factors[SCENARIOS], logs[SCENARIOS], shifts[SCENARIOS];",
  struct: "__shared__ Scenario table[SCENARIOS];",
};

const get = {
  float4: "const float4 entry = table[s];\nconst float factor = entry.x, log_factor = entry.y, shift = entry.z;",
  arrays: "const float factor = factors[s], log_factor = logs[s], shift = shifts[s];",
  struct:
    "const float factor = table[s].factor;\nconst float log_factor = table[s].log_factor;\nconst float shift = table[s].shift;",
};

/** Scenarios with their logarithms as vectors in shared memory. */
export const scenarioTable: Template = template({
  id: "scenario-table",
  from: "hoisted-terms",
  idea: "Prepare the scenarios once per block as vectors in shared memory and let each thread value several options.",
  options: {
    formula: ["two-cdfs", "shared-density"],
    cdf: ["poly-fma", "normcdff", "poly-branch", "erff"],
    math: ["intrinsic", "base2", "precise"],
    layout: ["float4", "arrays", "struct"],
    spacing: ["block", "neighbours"],
    order: ["scenarios-outside", "options-outside"],
    unroll: [true, false],
    per: [1, 2, 4],
    block: [128, 256, 64],
  },
  valid: ({ formula, cdf, per, order }) =>
    (formula === "two-cdfs" || cdf === "poly-fma") && (per > 1 || order === "scenarios-outside"),
  count: 30,
  write: (o, { n = 0, scenarios = 0 }) => {
    const { formula, cdf, math, layout, spacing, order, unroll, per, block } = o;
    const put = {
      float4: `table[s] = make_float4(shock.x, ${logOf(math, "shock.x")}, shock.y, 0.0f);`,
      arrays: `factors[s] = shock.x;\nlogs[s] = ${logOf(math, "shock.x")};\nshifts[s] = shock.y;`,
      struct: `table[s].factor = shock.x;\ntable[s].log_factor = ${logOf(math, "shock.x")};\ntable[s].shift = shock.y;`,
    };
    const place =
      spacing === "block"
        ? `blockIdx.x * ${block * per} + threadIdx.x + k * ${block}`
        : `(blockIdx.x * ${block} + threadIdx.x) * PER + k`;
    const many = Object.fromEntries(
      Object.entries(known).map(([key, name]) => [
        key,
        ["factor", "logFactor", "shift"].includes(key) ? name : `${name}s[k]`,
      ]),
    ) as unknown as typeof known;
    const one = `{\n${valueOf(formula, math, many, "cumulative")}\nsums[k] += value;\nleasts[k] = fminf(leasts[k], value);\n}`;
    const loops =
      order === "scenarios-outside"
        ? `
          ${on(unroll, "#pragma unroll 2")}
          for (int s = 0; s < SCENARIOS; ++s) {
            ${get[layout]}
            #pragma unroll
            for (int k = 0; k < PER; ++k) ${one}
          }`
        : `
          #pragma unroll
          for (int k = 0; k < PER; ++k) {
            ${on(unroll, "#pragma unroll 4")}
            for (int s = 0; s < SCENARIOS; ++s) {
              ${get[layout]}
              ${one}
            }
          }`;
    const source = `
      #define SCENARIOS ${scenarios}
      #define PER ${per}
      #define RATE 0.03f

      ${on(layout === "struct", "struct Scenario {\nfloat factor, log_factor, shift;\n};\n")}
      ${on(formula === "two-cdfs", cdfFunction(cdf, "cumulative"))}

      extern "C" __global__ void __launch_bounds__(${block}) book_values(const float4* __restrict__ book, const float2* __restrict__ shocks, float* __restrict__ mean, float* __restrict__ worst) {
        ${tables[layout]}
        for (int s = threadIdx.x; s < SCENARIOS; s += ${block}) {
          const float2 shock = shocks[s];
          ${put[layout]}
        }
        float spots[PER], vols[PER], roots[PER], paids[PER], moneys[PER], sums[PER], leasts[PER];
        #pragma unroll
        for (int k = 0; k < PER; ++k) {
          const float4 row = book[${place}];
          ${preparation(math, ["row.x", "row.y", "row.z", "row.w"], "quotient")}
          spots[k] = spot;
          vols[k] = vol;
          roots[k] = root;
          paids[k] = paid;
          moneys[k] = money;
          sums[k] = 0.0f;
          leasts[k] = 3.0e38f;
        }
        __syncthreads();
        ${loops}
        #pragma unroll
        for (int k = 0; k < PER; ++k) {
          mean[${place}] = sums[k] / SCENARIOS;
          worst[${place}] = leasts[k];
        }
      }
    `;
    return styled(
      { source, launches: [launch("book_values", n / block / per, block, bookArguments)] },
      { names: "snake", indent: 4 },
    );
  },
});
