import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { addToPrice, clearPrices, contract, exponential, gauss, philox } from "./parts.ts";

const lanes = ["x", "y", "z", "w"] as const;

function drawKernel(layout: "step-rows" | "path-rows", content: "normals" | "walk", byGroup: boolean): string {
  const store =
    layout === "path-rows"
      ? "reinterpret_cast<float4*>(normals)[(size_t)path * GROUPS + group] = z;"
      : lanes.map((lane, index) => `normals[(size_t)(4 * group + ${index}) * PATHS + path] = z.${lane};`).join("\n");
  const draw = `float4 z = gauss_four(path, group, make_uint2(key[0], key[1]));`;
  const body = byGroup
    ? `const int e = blockIdx.x * 256 + threadIdx.x;
      const int path = ${layout === "path-rows" ? "e / GROUPS" : "e % PATHS"};
      const int group = ${layout === "path-rows" ? "e % GROUPS" : "e / PATHS"};
      ${draw}
      ${store}`
    : `const int path = blockIdx.x * 256 + threadIdx.x;
      ${on(content === "walk", "float w = 0.0f;")}
      for (int group = 0; group < GROUPS; ++group) {
        ${draw}
        ${on(content === "walk", lanes.map((lane) => `w += z.${lane};\nz.${lane} = w;`).join("\n"))}
        ${store}
      }`;
  return `
    extern "C" __global__ void draw_normals(const unsigned int* __restrict__ key, float* __restrict__ normals) {
      ${body}
    }
  `;
}

/** Normals, or the walks that they add up to, drawn once into scratch. */
export const storedNormals: Template = template({
  id: "stored-normals",
  from: "path-per-thread",
  idea: "Draw the normals once in a launch of their own, since all options share them.",
  options: {
    layout: ["step-rows", "path-rows"],
    content: ["normals", "walk"],
    producer: ["path", "group"],
    held: [1, 2, 4, 8],
    reduce: ["tree", "warps", "warp-atomic", "shared-atomic"],
    exp: ["short", "expf", "exp2f", "machine"],
    trig: ["pi", "short"],
    mixer: ["wide", "macro"],
    vector: [true, false],
    relaxed: [false, true],
    block: [128, 256],
  },
  valid: ({ content, producer, layout, vector }) =>
    (content === "normals" || producer === "path") && (layout === "path-rows" || !vector || content === "normals"),
  count: 33,
  write: (
    { layout, content, producer, held, reduce, exp, trig, mixer, vector, relaxed, block },
    { options = 0, paths = 0, steps = 0 },
  ) => {
    const step = (lane: string, index: number): string =>
      content === "walk"
        ? `sum[h] += ${exponential(exp, `fmaf(c[h].sigma, z.${lane}, c[h].drift * (4 * group + ${index + 1}))`)};`
        : `state[h] *= ${exponential(exp, `fmaf(c[h].sigma, z.${lane}, c[h].drift)`)};\nsum[h] += state[h];`;
    const load =
      layout === "path-rows" && vector
        ? "const float4 z = reinterpret_cast<const float4*>(normals)[(size_t)path * GROUPS + group];"
        : `float4 z;\n${lanes
            .map((lane, index) =>
              layout === "path-rows"
                ? `z.${lane} = normals[(size_t)path * (4 * GROUPS) + 4 * group + ${index}];`
                : `z.${lane} = normals[(size_t)(4 * group + ${index}) * PATHS + path];`,
            )
            .join("\n")}`;
    const source = `
      #define PATHS ${paths}
      #define GROUPS ${steps / 4}
      #define HELD ${held}
      ${philox(mixer)}
      ${gauss("two", trig)}
      ${contract(exp, paths, steps)}
      ${clearPrices(options)}
      ${drawKernel(layout, content, producer === "group")}
      extern "C" __global__ void value_options(const float* __restrict__ book, const float* __restrict__ normals, float* __restrict__ price) {
        const int path = blockIdx.x * ${block} + threadIdx.x;
        const int option = blockIdx.y * HELD;
        Contract c[HELD];
        float sum[HELD]${on(content === "normals", ", state[HELD]")};
        #pragma unroll
        for (int h = 0; h < HELD; ++h) {
          c[h] = read_contract(book, option + h);
          sum[h] = 0.0f;
          ${on(content === "normals", "state[h] = 1.0f;")}
        }
        for (int group = 0; group < GROUPS; ++group) {
          ${load}
          #pragma unroll
          for (int h = 0; h < HELD; ++h) {
            ${lanes.map(step).join("\n")}
          }
        }
        #pragma unroll
        for (int h = 0; h < HELD; ++h) {
          float value = worth(c[h], sum[h]);
          __syncthreads();
          ${addToPrice(reduce, "price + option + h", block)}
        }
      }
    `;
    const launches = [
      launch("clear_prices", 1, 128, ["price"]),
      launch("draw_normals", (producer === "group" ? (paths * steps) / 4 : paths) / 256, 256, ["key", "normals"]),
      launch("value_options", [paths / block, options / held], block, ["book", "normals", "price"]),
    ];
    return styled(
      { source, launches, compileOptions: relaxed ? ["--use_fast_math"] : [] },
      { names: "camel", indent: 4 },
    );
  },
});

/** The walk over the groups of a path by its lanes; leaves `w[k]` as the walk after each of the lane's steps. */
function laneScan(scan: "up" | "serial" | "shared", groups: number): string {
  const own = `
    float w[4 * MINE];
    #pragma unroll
    for (int k = 0; k < MINE; ++k) {
      const float4 z = gauss_four(path, lane * MINE + k, seed);
      ${lanes.map((part, index) => `w[4 * k + ${index}] = z.${part};`).join("\n")}
    }
    #pragma unroll
    for (int k = 1; k < 4 * MINE; ++k) w[k] += w[k - 1];`;
  const before = {
    up: `
      float end = w[4 * MINE - 1];
      #pragma unroll
      for (int step = 1; step < LANES; step *= 2) {
        const float below = __shfl_up_sync(0xffffffffu, end, step, LANES);
        if (lane >= step) end += below;
      }
      float before = __shfl_up_sync(0xffffffffu, end, 1, LANES);
      if (lane == 0) before = 0.0f;`,
    serial: `
      float before = 0.0f;
      #pragma unroll
      for (int other = 0; other < LANES - 1; ++other) {
        const float end = __shfl_sync(0xffffffffu, w[4 * MINE - 1], other, LANES);
        if (lane > other) before += end;
      }`,
    shared: `
      ends[threadIdx.x] = w[4 * MINE - 1];
      __syncwarp();
      float before = 0.0f;
      for (int other = 0; other < lane; ++other) before += ends[threadIdx.x - lane + other];
      __syncwarp();`,
  }[scan];
  return `${own}\n${before}\n#pragma unroll\nfor (int k = 0; k < ${4 * groups}; ++k) w[k] += before;`;
}

/** The groups of steps of a path on neighbouring lanes. */
export const stepLanes: Template = template({
  id: "steps-on-lanes",
  from: "stored-normals",
  idea: "Put the groups of steps of a path on neighbouring lanes, scan the walk with shuffles and loop over the options.",
  options: {
    lanes: [8, 4, 2],
    scan: ["up", "serial", "shared"],
    collect: ["global", "shared", "owners"],
    table: ["shared", "global"],
    exp: ["short", "exp2f", "machine", "expf"],
    trig: ["pi", "short"],
    mixer: ["umulhi", "keys"],
    drift: ["product", "running"],
    rounds: [1, 4],
    block: [128, 256],
  },
  valid: ({ collect, rounds }) => collect !== "global" || rounds === 1,
  count: 32,
  write: (
    { lanes: width, scan, collect, table, exp, trig, mixer, drift, rounds, block },
    { options = 0, paths = 0, steps = 0 },
  ) => {
    const mine = steps / 4 / width;
    const inBlock = block / width;
    const term = (x: string): string => exponential(exp, x);
    const sum =
      drift === "product"
        ? `#pragma unroll
          for (int k = 0; k < 4 * MINE; ++k) sum += ${term("fmaf(c.sigma, w[k], c.drift * (lane * 4 * MINE + k + 1))")};`
        : `float t = c.drift * (lane * 4 * MINE);
          #pragma unroll
          for (int k = 0; k < 4 * MINE; ++k) {
            t += c.drift;
            sum += ${term("fmaf(c.sigma, w[k], t)")};
          }`;
    const add = {
      global: "if (threadIdx.x % 32 == 0) atomicAdd(price + o, value);",
      shared: "if (threadIdx.x % 32 == 0) atomicAdd(totals + o, value);",
      owners: "if (threadIdx.x % 32 == o % 32) mine[o / 32] += value;",
    }[collect];
    const source = `
      #define OPTIONS ${options}
      #define LANES ${width}
      #define MINE ${mine}
      ${philox(mixer)}
      ${gauss("short", trig)}
      ${contract(exp, paths, steps)}
      ${clearPrices(options)}
      extern "C" __global__ void walk_lanes(const float* __restrict__ book, const unsigned int* __restrict__ key, float* __restrict__ price) {
        ${on(table === "shared", "__shared__ Contract contracts[OPTIONS];\nfor (int o = threadIdx.x; o < OPTIONS; o += blockDim.x) contracts[o] = read_contract(book, o);")}
        ${on(collect === "shared", "__shared__ float totals[OPTIONS];\nfor (int o = threadIdx.x; o < OPTIONS; o += blockDim.x) totals[o] = 0.0f;")}
        ${on(collect === "owners", "float mine[OPTIONS / 32] = {};")}
        ${on(scan === "shared", `__shared__ float ends[${block}];`)}
        __syncthreads();
        const int lane = threadIdx.x % LANES;
        const uint2 seed = make_uint2(key[0], key[1]);
        for (int round = 0; round < ${rounds}; ++round) {
          const int path = (blockIdx.x * ${rounds} + round) * ${inBlock} + threadIdx.x / LANES;
          ${laneScan(scan, mine)}
          ${on(collect === "owners", "#pragma unroll 32")}
          for (int o = 0; o < OPTIONS; ++o) {
            const Contract c = ${table === "shared" ? "contracts[o]" : "read_contract(book, o)"};
            float sum = 0.0f;
            ${sum}
            #pragma unroll
            for (int step = 1; step < LANES; step *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
            float value = worth(c, sum);
            #pragma unroll
            for (int step = LANES; step < 32; step *= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
            ${add}
          }
        }
        ${on(collect === "shared", "__syncthreads();\nfor (int o = threadIdx.x; o < OPTIONS; o += blockDim.x) atomicAdd(price + o, totals[o]);")}
        ${on(collect === "owners", "#pragma unroll\nfor (int k = 0; k < OPTIONS / 32; ++k) atomicAdd(price + 32 * k + threadIdx.x % 32, mine[k]);")}
      }
    `;
    const launches = [
      launch("clear_prices", 1, 128, ["price"]),
      launch("walk_lanes", paths / (inBlock * rounds), block, ["book", "key", "price"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** A tile of walks in shared memory; lanes are paths and warps share out the options. */
export const sharedWalks: Template = template({
  id: "shared-walks",
  from: "stored-normals",
  idea: "Keep the walks of a tile of paths in shared memory and share the options out over the warps.",
  options: {
    layout: ["step-rows", "path-rows"],
    padded: [false, true],
    producer: ["path", "group"],
    vector: [false, true],
    collect: ["global", "sums"],
    exp: ["short", "exp2f", "machine", "expf"],
    log: ["two", "natural"],
    mixer: ["macro", "umulhi", "wide"],
    unroll: [false, true],
    tile: [64, 32, 128],
    warps: [4, 8, 12],
  },
  valid: ({ vector, layout, padded }) => !vector || (layout === "path-rows" && padded),
  count: 33,
  write: (
    { layout, padded, producer, vector, collect, exp, log, mixer, unroll, tile, warps },
    { options = 0, paths = 0, steps = 0 },
  ) => {
    const rows = layout === "step-rows";
    const pitch = (rows ? tile : steps) + (padded ? (vector ? 4 : 1) : 0);
    const cell = (p: string, s: string): string =>
      rows ? `walk[(${s}) * PITCH + ${p}]` : `walk[(${p}) * PITCH + ${s}]`;
    const produce =
      producer === "path"
        ? `for (int p = threadIdx.x; p < TILE; p += THREADS) {
            float w = 0.0f;
            for (int group = 0; group < GROUPS; ++group) {
              const float4 z = gauss_four(blockIdx.x * TILE + p, group, seed);
              ${lanes.map((lane, index) => `w += z.${lane};\n${cell("p", `4 * group + ${index}`)} = w;`).join("\n")}
            }
          }`
        : `for (int e = threadIdx.x; e < TILE * GROUPS; e += THREADS) {
            const int p = e % TILE, group = e / TILE;
            const float4 z = gauss_four(blockIdx.x * TILE + p, group, seed);
            ${lanes.map((lane, index) => `${cell("p", `4 * group + ${index}`)} = z.${lane};`).join("\n")}
          }
          __syncthreads();
          for (int p = threadIdx.x; p < TILE; p += THREADS) {
            for (int s = 1; s < 4 * GROUPS; ++s) ${cell("p", "s")} += ${cell("p", "s - 1")};
          }`;
    const inner = vector
      ? `for (int s = 0; s < 4 * GROUPS; s += 4) {
          const float4 w = *reinterpret_cast<const float4*>(walk + p * PITCH + s);
          ${lanes.map((lane) => `t += c.drift;\nsum += ${exponential(exp, `fmaf(c.sigma, w.${lane}, t)`)};`).join("\n")}
        }`
      : `for (int s = 0; s < 4 * GROUPS; ++s) {
          t += c.drift;
          sum += ${exponential(exp, `fmaf(c.sigma, ${cell("p", "s")}, t)`)};
        }`;
    const source = `
      constexpr int TILE = ${tile}, GROUPS = ${steps / 4}, PITCH = ${pitch};
      constexpr int WARPS = ${warps}, THREADS = 32 * WARPS, OPTIONS = ${options};
      ${philox(mixer)}
      ${gauss(log, "pi")}
      ${contract(exp, paths, steps)}
      ${collect === "global" ? clearPrices(options) : sumShares(paths / tile)}
      extern "C" __global__ void value_tile(const float* __restrict__ book, const unsigned int* __restrict__ key, float* __restrict__ ${collect === "global" ? "price" : "sums"}) {
        __shared__ __align__(16) float walk[${(rows ? steps : tile) * pitch}];
        const uint2 seed = make_uint2(key[0], key[1]);
        ${produce}
        __syncthreads();
        const int lane = threadIdx.x & 31;
        for (int o = threadIdx.x >> 5; o < OPTIONS; o += WARPS) {
          const Contract c = read_contract(book, o);
          float value = 0.0f;
          for (int p = lane; p < TILE; p += 32) {
            float sum = 0.0f, t = 0.0f;
            ${on(unroll, "#pragma unroll", "#pragma unroll 1")}
            ${inner}
            value += worth(c, sum);
          }
          ${repeat(5, (index) => `value += __shfl_down_sync(0xffffffffu, value, ${16 >> index});`)}
          if (lane == 0) ${collect === "global" ? "atomicAdd(price + o, value);" : `sums[(size_t)o * ${paths / tile} + blockIdx.x] = value;`}
        }
      }
    `;
    const tiled = launch("value_tile", paths / tile, 32 * warps, [
      "book",
      "key",
      collect === "global" ? "price" : "sums",
    ]);
    const launches =
      collect === "global"
        ? [launch("clear_prices", 1, 96, ["price"]), tiled]
        : [tiled, launch("sum_shares", options, 128, ["sums", "price"])];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** Sums the shares of each option by one block. */
export function sumShares(count: number): string {
  return `
    extern "C" __global__ void sum_shares(const float* __restrict__ sums, float* __restrict__ price) {
      __shared__ float cells[4];
      float total = 0.0f;
      for (int k = threadIdx.x; k < ${count}; k += 128) total += sums[(size_t)blockIdx.x * ${count} + k];
      for (int step = 16; step > 0; step /= 2) total += __shfl_xor_sync(0xffffffffu, total, step);
      if (threadIdx.x % 32 == 0) cells[threadIdx.x / 32] = total;
      __syncthreads();
      if (threadIdx.x == 0) price[blockIdx.x] = (cells[0] + cells[1]) + (cells[2] + cells[3]);
    }
  `;
}
