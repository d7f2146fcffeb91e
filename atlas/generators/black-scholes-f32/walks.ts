import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { bookArguments, cdfFunction, known, logOf, preparation, valueOf } from "./parts.ts";

/** A resident grid that walks over the book, with the next option on its way. */
export const bookWalk: Template = template({
  id: "book-walk",
  from: "hoisted-terms",
  idea: "Keep a resident grid walking over the book and read the next option before valuing the current one.",
  options: {
    formula: ["two-cdfs", "shared-density"],
    cdf: ["poly-fma", "normcdff", "erfcf"],
    math: ["intrinsic", "precise", "base2"],
    ahead: [true, false],
    shocks: ["shared", "global", "lanes"],
    pieces: ["loop", "halves"],
    unroll: [false, true],
    block: [256, 128, 512],
    perSm: [4, 2, 8],
  },
  valid: ({ formula, cdf, block, perSm }) => (formula === "two-cdfs" || cdf === "poly-fma") && block * perSm <= 2048,
  count: 26,
  write: (o, { n = 0, scenarios = 0 }) => {
    const { formula, cdf, math, ahead, shocks, pieces, unroll, block, perSm } = o;
    const read = {
      shared: "const float factor = table[s].x, shift = table[s].y, log_factor = table_logs[s];",
      global: `const float factor = shocks[s].x, shift = shocks[s].y, log_factor = ${logOf(math, "factor")};`,
      lanes: `
        const float factor = __shfl_sync(0xffffffffu, own[s / 32].x, s % 32);
        const float shift = __shfl_sync(0xffffffffu, own[s / 32].y, s % 32);
        const float log_factor = __shfl_sync(0xffffffffu, own_log[s / 32], s % 32);`,
    }[shocks];
    const prepare = {
      shared: `
        __shared__ float2 table[COUNT];
        __shared__ float table_logs[COUNT];
        for (int s = threadIdx.x; s < COUNT; s += blockDim.x) {
          table[s] = shocks[s];
          table_logs[s] = ${logOf(math, "shocks[s].x")};
        }
        __syncthreads();`,
      global: "",
      lanes: `
        float2 own[COUNT / 32];
        float own_log[COUNT / 32];
        #pragma unroll
        for (int b = 0; b < COUNT / 32; ++b) {
          own[b] = shocks[32 * b + threadIdx.x % 32];
          own_log[b] = ${logOf(math, "own[b].x")};
        }`,
    }[shocks];
    const loop = (from: string, to: string, suffix: string): string => `
      ${shocks === "lanes" ? "#pragma unroll" : on(unroll, "#pragma unroll 3")}
      for (int s = ${from}; s < ${to}; ++s) {
        ${read}
        ${valueOf(formula, math, known, "phi")}
        sum${suffix} += value;
        low${suffix} = fminf(low${suffix}, value);
      }`;
    const sums =
      pieces === "loop"
        ? `float sum = 0.0f, low = 3.0e38f;\n${loop("0", "COUNT", "")}`
        : `float sum = 0.0f, low = 3.0e38f, sum2 = 0.0f, low2 = 3.0e38f;\n${loop("0", "COUNT / 2", "")}\n${loop("COUNT / 2", "COUNT", "2")}\nsum += sum2;\nlow = fminf(low, low2);`;
    // All lanes of a warp leave the walk together since its stride and the book are multiples of the block.
    const source = `
      #define COUNT ${scenarios}
      #define RATE 0.03f

      ${on(formula === "two-cdfs", cdfFunction(cdf, "phi", "static __device__ float"))}

      extern "C" __global__ void walk(const float4* __restrict__ book, const float2* __restrict__ shocks, float* __restrict__ mean, float* __restrict__ worst, int n) {
        ${prepare}
        const int stride = gridDim.x * blockDim.x;
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        ${on(ahead, "float4 next = book[min(i, n - 1)];")}
        for (; i < n; i += stride) {
          const float4 row = ${ahead ? "next" : "book[i]"};
          ${on(ahead, "if (i + stride < n) next = book[i + stride];")}
          ${preparation(math, ["row.x", "row.y", "row.z", "row.w"], "difference")}
          ${sums}
          mean[i] = sum / COUNT;
          worst[i] = low;
        }
      }
    `;
    return styled(
      { source, launches: [launch("walk", 132 * perSm, block, [...bookArguments, { i32: n }])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** The distribution function from a table. */
export const cdfTable: Template = template({
  id: "cdf-table",
  from: "scenario-table",
  idea: "Tabulate the distribution function and interpolate instead of evaluating it.",
  options: {
    memory: ["shared", "global", "shared-pairs"],
    build: ["launch", "block"],
    interpolation: ["linear", "nearest-slope"],
    clampStyle: ["fminf", "saturate"],
    math: ["intrinsic", "precise"],
    cdf: ["erfcf", "normcdff"],
    unroll: [true, false],
    cells: [4096, 2048],
    block: [512, 256, 1024],
  },
  valid: ({ memory, build, interpolation, cells }) =>
    (memory !== "global" || build === "launch") &&
    (memory === "shared-pairs" ? interpolation === "linear" && cells === 2048 : true),
  count: 26,
  write: (o, { n = 0, scenarios = 0 }) => {
    const { memory, build, interpolation, clampStyle, math, cdf, unroll, cells, block } = o;
    const pairs = memory === "shared-pairs";
    const launched = build === "launch";
    const table = memory === "global" ? "values" : "table";
    const at = (index: string): string => (memory === "global" ? `__ldg(${table} + ${index})` : `${table}[${index}]`);
    const scaled =
      clampStyle === "fminf"
        ? "const float place = fminf(fmaxf((z + 6.0f) * (CELLS / 12.0f), 0.0f), CELLS - 0.01f);"
        : "const float place = __saturatef((z + 6.0f) * (1.0f / 12.0f)) * CELLS;";
    const look = pairs
      ? "const float2 pair = table[cell];\nreturn fmaf(place - cell, pair.y, pair.x);"
      : interpolation === "linear"
        ? `const float low = ${at("cell")}, high = ${at("cell + 1")};\nreturn fmaf(place - cell, high - low, low);`
        : `
          // Second order around the nearest point: the slope of the density is known.
          const float t = (place - cell) * (12.0f / CELLS);
          const float centre = cell * (12.0f / CELLS) - 6.0f;
          const float density = 0.398942280f * __expf(-0.5f * centre * centre);
          return ${at("cell")} + t * density * (1.0f - 0.5f * t * centre);`;
    const point = (index: string): string => `exact(${index} * (12.0f / CELLS) - 6.0f)`;
    const fill = pairs
      ? `
        for (int c = threadIdx.x; c < CELLS + 1; c += ${block}) {
          const float low = ${launched ? "values[c]" : point("c")};
          table[c] = make_float2(low, (c < CELLS ? ${launched ? "values[c + 1]" : point("(c + 1)")} : low) - low);
        }`
      : `for (int c = threadIdx.x; c < CELLS + 1; c += ${block}) table[c] = ${launched ? "values[c]" : point("c")};`;
    const parameter =
      memory === "global" ? "const float* __restrict__ values" : pairs ? "const float2* table" : "const float* table";
    const source = `
      constexpr int CELLS = ${cells};
      constexpr int SCENARIOS = ${scenarios};
      constexpr float RATE = 0.03f;

      ${cdfFunction(cdf, "exact", "__device__ float")}

      ${on(launched, `extern "C" __global__ void tabulate(float* values) {\nconst int c = blockIdx.x * blockDim.x + threadIdx.x;\nif (c <= CELLS) values[c] = ${point("c")};\n}\n`)}
      __device__ __forceinline__ float from_table(${parameter}, float z) {
        ${scaled}
        const int cell = min((int)place, CELLS - 1);
        ${look}
      }

      extern "C" __global__ void __launch_bounds__(${block}) value_options(const float4* __restrict__ book, const float2* __restrict__ shocks, ${on(launched, "const float* __restrict__ values, ")}float* __restrict__ mean, float* __restrict__ worst) {
        ${on(memory !== "global", `__shared__ ${pairs ? "float2" : "float"} table[CELLS + 1];\n${fill}`)}
        __shared__ float3 scenario[SCENARIOS];
        if (threadIdx.x < SCENARIOS) {
          const float2 shock = shocks[threadIdx.x];
          scenario[threadIdx.x] = make_float3(shock.x, ${logOf(math, "shock.x")}, shock.y);
        }
        __syncthreads();
        for (int i = blockIdx.x * ${block} + threadIdx.x; i < ${n}; i += gridDim.x * ${block}) {
          const float4 row = book[i];
          ${preparation(math, ["row.x", "row.y", "row.z", "row.w"], "quotient")}
          float sum = 0.0f, least = 3.0e38f;
          ${on(unroll, "#pragma unroll 4")}
          for (int s = 0; s < SCENARIOS; ++s) {
            const float factor = scenario[s].x, log_factor = scenario[s].y, shift = scenario[s].z;
            ${valueOf("two-cdfs", math, known, "CDF").replaceAll("CDF(", `from_table(${table}, `)}
            sum += value;
            least = fminf(least, value);
          }
          mean[i] = sum / SCENARIOS;
          worst[i] = least;
        }
      }
    `;
    const resident = 132 * Math.floor(2048 / block);
    const args = ["book", "shocks", ...(launched ? ["scratch"] : []), "mean", "worst"];
    const launches = [
      ...(launched ? [launch("tabulate", cells / 256 + 1, 256, ["scratch"])] : []),
      launch("value_options", resident, block, args),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Two scenarios or two options side by side to give independent chains. */
export const sideBySide: Template = template({
  id: "side-by-side",
  from: "hoisted-terms",
  idea: "Evaluate several scenarios side by side so that their chains of dependent operations overlap.",
  options: {
    formula: ["shared-density", "two-cdfs"],
    cdf: ["poly-fma", "poly", "normcdff"],
    math: ["intrinsic", "base2", "precise"],
    sums: ["apart", "joined"],
    reads: ["pairs", "quads", "shared"],
    coding: ["blocks", "inner-loop"],
    width: [2, 4],
    block: [256, 128, 64],
  },
  valid: ({ formula, cdf, reads, width }) =>
    (formula === "two-cdfs" || cdf === "poly-fma") && (reads !== "quads" || width === 4 || width === 2),
  count: 26,
  write: ({ formula, cdf, math, sums, reads, coding, width, block }, { n = 0, scenarios = 0 }) => {
    const apart = sums === "apart";
    const sum = (j: string): string => (apart ? `sum[${j}]` : "sum");
    const least = (j: string): string => (apart ? `least[${j}]` : "least");
    const shock = (j: string): string => {
      if (reads === "shared")
        return `const float factor = table[s + ${j}].x, shift = table[s + ${j}].y, log_factor = table[s + ${j}].z;`;
      const pair =
        reads === "pairs"
          ? `const float2 shock = reinterpret_cast<const float2*>(shocks)[s + ${j}];\nconst float factor = shock.x, shift = shock.y;`
          : `const float4 both = reinterpret_cast<const float4*>(shocks)[(s + ${j}) / 2];\nconst float factor = (s + ${j}) % 2 ? both.z : both.x, shift = (s + ${j}) % 2 ? both.w : both.y;`;
      return `${pair}\nconst float log_factor = ${logOf(math, "factor")};`;
    };
    const one = (j: string): string =>
      `${shock(j)}\n${valueOf(formula, math, known, "gauss")}\n${sum(j)} += value;\n${least(j)} = fminf(${least(j)}, value);`;
    const body =
      coding === "blocks"
        ? repeat(width, (j) => `{\n${one(String(j))}\n}`)
        : `#pragma unroll\nfor (int j = 0; j < WIDTH; ++j) {\n${one("j")}\n}`;
    const source = `
      #define WIDTH ${width}
      #define SCENARIOS ${scenarios}
      #define RATE 0.03f

      ${on(formula === "two-cdfs", cdfFunction(cdf, "gauss"))}

      extern "C" __global__ void side_by_side(const float4* __restrict__ book, const float* __restrict__ shocks, float* __restrict__ mean, float* __restrict__ worst) {
        ${on(
          reads === "shared",
          `__shared__ float3 table[SCENARIOS];
          for (int s = threadIdx.x; s < SCENARIOS; s += ${block})
            table[s] = make_float3(shocks[2 * s], shocks[2 * s + 1], ${logOf(math, "shocks[2 * s]")});
          __syncthreads();`,
        )}
        const int option = blockIdx.x * ${block} + threadIdx.x;
        const float4 row = book[option];
        ${preparation(math, ["row.x", "row.y", "row.z", "row.w"], "quotient")}
        ${
          apart
            ? "float sum[WIDTH], least[WIDTH];\n#pragma unroll\nfor (int j = 0; j < WIDTH; ++j) {\nsum[j] = 0.0f;\nleast[j] = 3.0e38f;\n}"
            : "float sum = 0.0f, least = 3.0e38f;"
        }
        for (int s = 0; s < SCENARIOS; s += WIDTH) {
          ${body}
        }
        ${apart ? "#pragma unroll\nfor (int j = 1; j < WIDTH; ++j) {\nsum[0] += sum[j];\nleast[0] = fminf(least[0], least[j]);\n}" : ""}
        mean[option] = ${sum("0")} / SCENARIOS;
        worst[option] = ${least("0")};
      }
    `;
    return styled(
      { source, launches: [launch("side_by_side", n / block, block, bookArguments)] },
      { names: "snake", indent: 4 },
    );
  },
});
