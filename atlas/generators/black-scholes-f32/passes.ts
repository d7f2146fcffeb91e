import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { bookArguments, cdfFunction, expOf, known, logOf, preparation, valueOf } from "./parts.ts";

const rowParts = ["row.x", "row.y", "row.z", "row.w"];

/** One thread per option and scenario; the results meet by atomics in global memory. */
export const pairAtomics: Template = template({
  id: "pair-atomics",
  from: "option-per-thread",
  idea: "Start a thread per option and chunk of scenarios and combine the results with atomics.",
  options: {
    place: ["options-first", "scenarios-first"],
    cdf: ["erfcf", "poly", "normcdff", "poly-fma"],
    math: ["precise", "intrinsic"],
    minimum: ["int", "loop"],
    clear: ["scalar", "vector"],
    scale: ["before", "each"],
    combine: [false, true],
    chunk: [8, 4, 16, 32],
    block: [256, 128],
  },
  valid: ({ place, combine }) => place === "scenarios-first" || !combine,
  count: 22,
  write: ({ place, cdf, math, minimum, clear, scale, combine, chunk, block }, { n = 0, scenarios = 0 }) => {
    const chunks = scenarios / chunk;
    const optionsFirst = place === "options-first";
    const minimums = {
      int: "atomicMin(reinterpret_cast<int*>(worst) + i, __float_as_int(fmaxf(least, 0.0f)));",
      loop: `
        unsigned int* cell = reinterpret_cast<unsigned int*>(worst) + i;
        unsigned int seen = *cell;
        while (least < __uint_as_float(seen)) {
          const unsigned int found = atomicCAS(cell, seen, __float_as_uint(least));
          if (found == seen) break;
          seen = found;
        }`,
    };
    // Neighbouring pairs of threads hold the same option when the chunks run fastest.
    const pairs = on(
      combine,
      `sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      least = fminf(least, __shfl_xor_sync(0xffffffffu, least, 1));
      if (threadIdx.x & 1) return;`,
    );
    const vector = clear === "vector";
    const source = `
      #define CHUNK ${chunk}
      #define CHUNKS ${chunks}
      #define RATE 0.03f

      ${cdfFunction(cdf, "cdf")}

      extern "C" __global__ void prepare(${vector ? "float4* mean, float4* worst" : "float* mean, float* worst"}) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        ${vector ? "mean[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);\nworst[i] = make_float4(1.0e30f, 1.0e30f, 1.0e30f, 1.0e30f);" : "mean[i] = 0.0f;\nworst[i] = 1.0e30f;"}
      }

      extern "C" __global__ void add_values(const float4* __restrict__ book, const float2* __restrict__ shocks, float* mean, float* worst) {
        ${
          optionsFirst
            ? "const int i = blockIdx.x * blockDim.x + threadIdx.x;\nconst int chunk = blockIdx.y;"
            : "const int id = blockIdx.x * blockDim.x + threadIdx.x;\nconst int i = id / CHUNKS;\nconst int chunk = id % CHUNKS;"
        }
        const float4 row = book[i];
        ${preparation(math, rowParts, "difference")}
        float sum = 0.0f, least = 1.0e30f;
        for (int s = chunk * CHUNK; s < (chunk + 1) * CHUNK; ++s) {
          const float factor = shocks[s].x, shift = shocks[s].y;
          const float log_factor = ${logOf(math, "factor")};
          ${valueOf("two-cdfs", math, known, "cdf")}
          sum += value${on(scale === "each", " / (CHUNK * CHUNKS)")};
          least = fminf(least, value);
        }
        ${on(chunks % 2 === 0, pairs)}
        atomicAdd(mean + i, sum${on(scale === "before", " / (CHUNK * CHUNKS)")});
        ${minimums[minimum]}
      }
    `;
    const grid = optionsFirst ? ([n / block, chunks] as const) : (n * chunks) / block;
    const launches = [
      launch("prepare", n / block / (vector ? 4 : 1), block, ["mean", "worst"]),
      launch("add_values", grid, block, bookArguments),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

function reductionBodies(byScenario: boolean, cell: (i: string, s: string) => string) {
  const vectorRows = byScenario
    ? `
        const int q = blockIdx.x * blockDim.x + threadIdx.x;
        float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        float4 least = make_float4(1.0e30f, 1.0e30f, 1.0e30f, 1.0e30f);
        for (int s = 0; s < SCENARIOS; ++s) {
          const float4 v = reinterpret_cast<const float4*>(values + (size_t)s * OPTIONS)[q];
          ${repeat(4, (k) => `sum.${"xyzw"[k]} += v.${"xyzw"[k]};\nleast.${"xyzw"[k]} = fminf(least.${"xyzw"[k]}, v.${"xyzw"[k]});`)}
        }
        ${repeat(4, (k) => `mean[4 * q + ${k}] = sum.${"xyzw"[k]} / SCENARIOS;\nworst[4 * q + ${k}] = least.${"xyzw"[k]};`)}`
    : `
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const float4* from = reinterpret_cast<const float4*>(values + (size_t)i * SCENARIOS);
        float sum = 0.0f, least = 1.0e30f;
        for (int q = 0; q < SCENARIOS / 4; ++q) {
          const float4 v = from[q];
          sum += (v.x + v.y) + (v.z + v.w);
          least = fminf(least, fminf(fminf(v.x, v.y), fminf(v.z, v.w)));
        }
        mean[i] = sum / SCENARIOS;
        worst[i] = least;`;
  return {
    thread: `
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        float sum = 0.0f, least = 1.0e30f;
        for (int s = 0; s < SCENARIOS; ++s) {
          const float v = values[${cell("i", "s")}];
          sum += v;
          least = fminf(least, v);
        }
        mean[i] = sum / SCENARIOS;
        worst[i] = least;`,
    vector: vectorRows,
    warp: `
        const int i = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
        const int lane = threadIdx.x % 32;
        float sum = 0.0f, least = 1.0e30f;
        for (int s = lane; s < SCENARIOS; s += 32) {
          const float v = values[${cell("i", "s")}];
          sum += v;
          least = fminf(least, v);
        }
        for (int offset = 16; offset > 0; offset /= 2) {
          sum += __shfl_xor_sync(0xffffffffu, sum, offset);
          least = fminf(least, __shfl_xor_sync(0xffffffffu, least, offset));
        }
        if (lane == 0) {
          mean[i] = sum / SCENARIOS;
          worst[i] = least;
        }`,
  };
}

/** All values go to scratch; a second launch reduces them. */
export const valueMatrix: Template = template({
  id: "value-matrix",
  from: "option-per-thread",
  idea: "Write the value of every option under every scenario to scratch and reduce in a second launch.",
  options: {
    layout: ["scenario-rows", "option-rows"],
    cdf: ["normcdff", "erfcf", "poly", "poly-fma"],
    math: ["precise", "intrinsic"],
    reduce: ["thread", "vector", "warp"],
    store: ["plain", "__stcs"],
    hoist: [false, true],
    per: [1, 4, 8],
    block: [256, 128],
  },
  valid: ({ layout, reduce }) => reduce !== "warp" || layout === "option-rows",
  count: 24,
  write: ({ layout, cdf, math, reduce, store, hoist, per, block }, { n = 0, scenarios = 0 }) => {
    const byScenario = layout === "scenario-rows";
    const cell = (i: string, s: string): string =>
      byScenario ? `(size_t)(${s}) * OPTIONS + ${i}` : `(size_t)(${i}) * SCENARIOS + ${s}`;
    const write =
      store === "plain" ? `values[${cell("i", "s")}] = value;` : `__stcs(values + ${cell("i", "s")}, value);`;
    const formula = hoist
      ? valueOf("two-cdfs", math, known, "cdf")
      : `
        const float price = row.x * factor, sigma = row.w + shift;
        const float spread = sigma * sqrtf(row.z);
        const float d1 = (${logOf(math, "price / row.y")} + (RATE + 0.5f * sigma * sigma) * row.z) / spread;
        const float value = price * cdf(d1) - row.y * ${expOf(math, "-RATE * row.z")} * cdf(d1 - spread);`;
    const each = `
      const float factor = shocks[s].x, shift = shocks[s].y;
      ${on(hoist, `const float log_factor = ${logOf(math, "factor")};`)}
      ${formula}
      ${write}`;
    const reductions = reductionBodies(byScenario, cell);
    const threads = reduce === "warp" ? n * 32 : reduce === "vector" && byScenario ? n / 4 : n;
    const source = `
      #define OPTIONS ${n}
      #define SCENARIOS ${scenarios}
      #define RATE 0.03f
      ${on(per > 1, `#define PER ${per}`)}

      ${cdfFunction(cdf, "cdf", "__device__ inline float")}

      extern "C" __global__ void all_values(const float4* __restrict__ book, const float2* __restrict__ shocks, float* __restrict__ values) {
        const int i = ${byScenario ? "blockIdx.x * blockDim.x + threadIdx.x" : `(blockIdx.x * blockDim.x + threadIdx.x) / (SCENARIOS${on(per > 1, " / PER")})`};
        const float4 row = book[i];
        ${on(hoist, preparation(math, rowParts, "quotient"))}
        ${
          per > 1
            ? `const int first = ${byScenario ? "blockIdx.y" : "(blockIdx.x * blockDim.x + threadIdx.x) % (SCENARIOS / PER)"} * PER;\nfor (int s = first; s < first + PER; ++s) {\n${each}\n}`
            : `const int s = ${byScenario ? "blockIdx.y" : "(blockIdx.x * blockDim.x + threadIdx.x) % SCENARIOS"};\n${each}`
        }
      }

      extern "C" __global__ void reduce_values(const float* __restrict__ values, float* __restrict__ mean, float* __restrict__ worst) {
        ${reductions[reduce]}
      }
    `;
    const grid = byScenario ? ([n / block, scenarios / per] as const) : (n * scenarios) / per / block;
    const launches = [
      launch("all_values", grid, block, ["book", "shocks", "scratch"]),
      launch("reduce_values", threads / block, block, ["scratch", "mean", "worst"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** A first launch derives columns per option and a list of scenarios; the second one has no logarithms left. */
export const derivedColumns: Template = template({
  id: "derived-columns",
  from: "hoisted-terms",
  idea: "Derive columns per option and prepared scenarios in a first launch and only combine them in the second.",
  options: {
    columns: ["apart", "packed", "joined"],
    scenarios: ["same-launch", "own-launch"],
    formula: ["two-cdfs", "shared-density"],
    cdf: ["erff", "poly-fma", "normcdff", "erfcf"],
    math: ["precise", "intrinsic", "base2"],
    table: ["global", "shared"],
    unroll: [false, true],
    per: ["one", "two"],
    block: [256, 128],
  },
  valid: ({ formula, cdf }) => formula === "two-cdfs" || cdf === "poly-fma",
  count: 24,
  write: (o, { n = 0, scenarios: count = 0 }) => {
    const { columns, scenarios, formula, cdf, math, table, unroll, per, block } = o;
    const names = ["spot", "vol", "root", "paid", "money"];
    const puts = {
      apart: names.map((name, k) => `derived[${k} * OPTIONS + i] = ${name};`).join("\n"),
      packed:
        "reinterpret_cast<float4*>(derived)[i] = make_float4(spot, vol, root, paid);\nderived[4 * OPTIONS + i] = money;",
      joined: names.map((name, k) => `derived[8 * i${on(k > 0, ` + ${k}`)}] = ${name};`).join("\n"),
    };
    const gets = {
      apart: names.map((name, k) => `const float ${name} = derived[${k} * OPTIONS + i];`).join("\n"),
      packed:
        "const float4 four = reinterpret_cast<const float4*>(derived)[i];\nconst float spot = four.x, vol = four.y, root = four.z, paid = four.w;\nconst float money = derived[4 * OPTIONS + i];",
      joined:
        "const float4 four = reinterpret_cast<const float4*>(derived)[2 * i];\nconst float spot = four.x, vol = four.y, root = four.z, paid = four.w;\nconst float money = derived[8 * i + 4];",
    };
    const shocked = `
      list[4 * s] = shocks[2 * s];
      list[4 * s + 1] = ${logOf(math, "shocks[2 * s]")};
      list[4 * s + 2] = shocks[2 * s + 1];
      list[4 * s + 3] = 0.0f;`;
    const own = scenarios === "own-launch";
    const shared = table === "shared";
    const work = `
      ${gets[columns]}
      float sum = 0.0f, least = 1.0e30f;
      ${on(unroll, "#pragma unroll 4")}
      for (int s = 0; s < SCENARIOS; ++s) {
        const float4 entry = ${shared ? "entries[s]" : "list[s]"};
        const float factor = entry.x, log_factor = entry.y, shift = entry.z;
        ${valueOf(formula, math, known, "distribution")}
        sum += value;
        least = fminf(least, value);
      }
      mean[i] = sum * (1.0f / SCENARIOS);
      worst[i] = least;`;
    const source = `
      constexpr int OPTIONS = ${n};
      constexpr int SCENARIOS = ${count};
      constexpr float RATE = 0.03f;
      constexpr int LIST = 8 * OPTIONS;  // where the scenarios lie in scratch

      ${on(formula === "two-cdfs", cdfFunction(cdf, "distribution"))}

      extern "C" __global__ void derive(const float4* book, const float* shocks, float* derived) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const float4 row = book[i];
        ${preparation(math, rowParts, "quotient")}
        ${puts[columns]}
        ${on(!own, `if (i < SCENARIOS) {\nfloat* list = derived + LIST;\nconst int s = i;\n${shocked}\n}`)}
      }

      ${on(own, `extern "C" __global__ void derive_scenarios(const float* shocks, float* derived) {\nfloat* list = derived + LIST;\nconst int s = threadIdx.x;\n${shocked}\n}\n`)}
      extern "C" __global__ void combine(const float* __restrict__ derived, float* __restrict__ mean, float* __restrict__ worst) {
        const float4* list = reinterpret_cast<const float4*>(derived + LIST);
        ${on(shared, "__shared__ float4 entries[SCENARIOS];\nif (threadIdx.x < SCENARIOS) entries[threadIdx.x] = list[threadIdx.x];\n__syncthreads();")}
        ${
          per === "two"
            ? `#pragma unroll\nfor (int half = 0; half < 2; ++half) {\nconst int i = (2 * blockIdx.x + half) * ${block} + threadIdx.x;\n${work}\n}`
            : `const int i = blockIdx.x * ${block} + threadIdx.x;\n${work}`
        }
      }
    `;
    const launches = [
      launch("derive", n / 256, 256, ["book", "shocks", "scratch"]),
      ...(own ? [launch("derive_scenarios", 1, count, ["shocks", "scratch"])] : []),
      launch("combine", n / block / (per === "two" ? 2 : 1), block, ["scratch", "mean", "worst"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
