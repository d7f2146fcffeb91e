import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { addToPrice, clearPrices, contract, exponential, gauss, philox, type Exp } from "./parts.ts";
import { sumShares } from "./stored.ts";

const lanes = ["x", "y", "z", "w"] as const;

type Power = Exp | "mixed";
type Drift = "running" | "scaled" | "horner";

/** Two to a power by a polynomial, for some of the steps. */
const polynomial = `
  __device__ __forceinline__ float power_sum(float x) {
    const float shifted = x + 12582912.0f;
    const float f = x - (shifted - 12582912.0f);
    float p = fmaf(f, 1.3333558e-3f, 9.6181291e-3f);
    p = fmaf(p, f, 5.5504109e-2f);
    p = fmaf(p, f, 2.4022651e-1f);
    p = fmaf(p, f, 6.9314718e-1f);
    p = fmaf(p, f, 1.0f);
    return __int_as_float(__float_as_int(p) + (__float_as_int(shifted) << 23));
  }
`;

const plain = (power: Power): Exp => (power === "mixed" ? "machine" : power);

function raise(power: Power, x: string, step: number): string {
  return power === "mixed" && step % 4 === 3 ? `power_sum(${x})` : exponential(plain(power), x);
}

/** Adds one step of an option to `sum`; steps come in falling order for Horner's scheme. */
function addStep(
  drift: Drift,
  power: Power,
  names: { c: string; w: string; sum: string; t: string; s: string },
  step: number,
): string {
  const { c, w, sum, t, s } = names;
  if (drift === "horner") return `${sum} = fmaf(${sum}, ${t}, ${raise(power, `${c}.sigma * ${w}`, step)});`;
  if (drift === "scaled") return `${sum} += ${raise(power, `fmaf(${c}.sigma, ${w}, ${c}.drift * (${s} + 1))`, step)};`;
  return `${t} += ${c}.drift;\n${sum} += ${raise(power, `fmaf(${c}.sigma, ${w}, ${t})`, step)};`;
}

type Fold = "each" | "pairs" | "tile" | "atomic";

/** The sum over the steps of one option for each path that the thread holds, as \`value\`. */
function registerValue(drift: Drift, power: Power, held: number, steps: number, value: string, o: string): string {
  const names = (h: number): Parameters<typeof addStep>[2] => ({
    c: "c",
    w: `w${h}[s]`,
    sum: `sum${h}`,
    t: drift === "horner" ? "g" : `t${h}`,
    s: "s",
  });
  const start = (h: number): string => `float sum${h} = 0.0f${on(drift === "running", `, t${h} = 0.0f`)};`;
  const block =
    drift === "horner" ? `for (int s = ${steps - 1}; s >= 0; s -= 4)` : `for (int s = 0; s < ${steps}; s += 4)`;
  const at = (text: string, k: number): string =>
    text.replaceAll("[s]", drift === "horner" ? `[s - ${k}]` : `[s + ${k}]`).replaceAll("(s + 1)", `(s + ${k + 1})`);
  return `
    {
      const Contract c = table[${o}];
      ${on(drift === "horner", `const float g = growth[${o}];`)}
      ${repeat(held, start)}
      #pragma unroll
      ${block} {
        ${repeat(4, (k) => repeat(held, (h) => at(addStep(drift, power, names(h), k), k)))}
      }
      ${value} = ${repeat(held, (h) => `worth(c, sum${h}${on(drift === "horner", " * g")})`, " + ")};
    }`;
}

function foldOptions(fold: Fold, value: (name: string, o: string) => string, block: number): string {
  if (fold === "pairs") {
    return `
      for (int o = 0; o < OPTIONS; o += 2) {
        float a, b;
        ${value("a", "o")}
        ${value("b", "(o + 1)")}
        const bool upper = threadIdx.x & 16;
        float kept = upper ? b : a;
        kept += __shfl_xor_sync(0xffffffffu, upper ? a : b, 16);
        #pragma unroll
        for (int step = 8; step > 0; step >>= 1) kept += __shfl_xor_sync(0xffffffffu, kept, step);
        if (threadIdx.x % 16 == 0) atomicAdd(totals + o + upper, kept);
      }`;
  }
  if (fold === "tile") {
    return `
      for (int first = 0; first < OPTIONS; first += 16) {
        for (int o = first; o < first + 16; ++o) {
          float value;
          ${value("value", "o")}
          cells[o - first][threadIdx.x] = value;
        }
        __syncthreads();
        for (int o = threadIdx.x / 32; o < 16; o += ${block / 32}) {
          float part = 0.0f;
          for (int t = threadIdx.x % 32; t < ${block}; t += 32) part += cells[o][t];
          for (int step = 16; step > 0; step >>= 1) part += __shfl_down_sync(0xffffffffu, part, step);
          if (threadIdx.x % 32 == 0) totals[first + o] += part;
        }
        __syncthreads();
      }`;
  }
  const add =
    fold === "each"
      ? `#pragma unroll
        for (int step = 16; step > 0; step >>= 1) value += __shfl_xor_sync(0xffffffffu, value, step);
        if (threadIdx.x % 32 == 0) atomicAdd(totals + o, value);`
      : "atomicAdd(totals + o, value);";
  return `
    for (int o = 0; o < OPTIONS; ++o) {
      float value;
      ${value("value", "o")}
      ${add}
    }`;
}

/** A thread holds whole walks in registers and goes through all options. */
export const registerWalks: Template = template({
  id: "walks-in-registers",
  from: "shared-walks",
  idea: "Keep a path's whole walk in registers and value every option on it, with the options' constants in shared memory.",
  options: {
    drift: ["running", "scaled", "horner"],
    power: ["short", "exp2f", "machine", "mixed"],
    fold: ["each", "pairs", "tile", "atomic"],
    held: [1, 2],
    finish: ["price", "sums"],
    mixer: ["umulhi", "macro"],
    log: ["two", "natural"],
    bounds: [false, true],
    block: [128, 64, 256],
  },
  count: 21,
  write: ({ drift, power, fold, held, finish, mixer, log, bounds, block }, { options = 0, paths = 0, steps = 0 }) => {
    const blocks = paths / (block * held);
    const value = (name: string, o: string): string => registerValue(drift, power, held, steps, name, o);
    const walk = (h: number): string => `
      float w${h}[${steps}];
      #pragma unroll
      for (int group = 0; group < ${steps / 4}; ++group) {
        const float4 z = gauss_four(path + ${h} * ${block}, group, seed);
        ${lanes.map((lane, index) => `w${h}[4 * group + ${index}] = z.${lane};`).join("\n")}
      }
      #pragma unroll
      for (int s = 1; s < ${steps}; ++s) w${h}[s] += w${h}[s - 1];`;
    const source = `
      #define OPTIONS ${options}
      ${philox(mixer)}
      ${gauss(log, "pi")}
      ${contract(plain(power), paths, steps)}
      ${on(power === "mixed", polynomial)}
      ${finish === "price" ? clearPrices(options) : sumShares(blocks)}
      extern "C" __global__ void ${on(bounds, `__launch_bounds__(${block}) `)}value_walks(const float* __restrict__ book, const unsigned int* __restrict__ key, float* __restrict__ ${finish}) {
        __shared__ Contract table[OPTIONS];
        __shared__ float totals[OPTIONS];
        ${on(drift === "horner", "__shared__ float growth[OPTIONS];")}
        ${on(fold === "tile", `__shared__ float cells[16][${block}];`)}
        for (int o = threadIdx.x; o < OPTIONS; o += ${block}) {
          table[o] = read_contract(book, o);
          totals[o] = 0.0f;
          ${on(drift === "horner", `growth[o] = ${exponential(plain(power), "table[o].drift")};`)}
        }
        const int path = blockIdx.x * ${block * held} + threadIdx.x;
        const uint2 seed = make_uint2(key[0], key[1]);
        ${repeat(held, walk)}
        __syncthreads();
        ${foldOptions(fold, value, block)}
        __syncthreads();
        for (int o = threadIdx.x; o < OPTIONS; o += ${block}) ${finish === "price" ? "atomicAdd(price + o, totals[o]);" : `sums[o * ${blocks} + blockIdx.x] = totals[o];`}
      }
    `;
    const main = launch("value_walks", blocks, block, ["book", "key", finish]);
    const launches =
      finish === "price"
        ? [launch("clear_prices", 1, 128, ["price"]), main]
        : [main, launch("sum_shares", options, 128, ["sums", "price"])];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

function produceTile(producer: "path" | "lanes" | "prefix"): string {
  if (producer === "path") {
    return `
      for (int p = threadIdx.x; p < TILE; p += THREADS) {
        float w = 0.0f;
        for (int group = 0; group < GROUPS; ++group) {
          float4 z = gauss_four(tile * TILE + p, group, seed);
          ${lanes.map((lane) => `w += z.${lane};\nz.${lane} = w;`).join("\n")}
          walk[p][group] = z;
        }
      }`;
  }
  if (producer === "prefix") {
    return `
      for (int e = threadIdx.x; e < TILE * GROUPS; e += THREADS) {
        walk[e / GROUPS][e % GROUPS] = gauss_four(tile * TILE + e / GROUPS, e % GROUPS, seed);
      }
      __syncthreads();
      for (int p = threadIdx.x; p < TILE; p += THREADS) {
        float w = 0.0f;
        for (int group = 0; group < GROUPS; ++group) {
          float4 z = walk[p][group];
          ${lanes.map((lane) => `w += z.${lane};\nz.${lane} = w;`).join("\n")}
          walk[p][group] = z;
        }
      }`;
  }
  return `
    for (int e = threadIdx.x; e < TILE * GROUPS; e += THREADS) {
      float4 z = gauss_four(tile * TILE + e / GROUPS, e % GROUPS, seed);
      z.y += z.x;
      z.z += z.y;
      z.w += z.z;
      float end = z.w;
      #pragma unroll
      for (int step = 1; step < GROUPS; step *= 2) {
        const float below = __shfl_up_sync(0xffffffffu, end, step, GROUPS);
        if (e % GROUPS >= step) end += below;
      }
      const float before = end - z.w;
      walk[e / GROUPS][e % GROUPS] = make_float4(z.x + before, z.y + before, z.z + before, z.w + before);
    }`;
}

/** Lanes own options; the walks of a tile of paths are broadcast from shared memory. */
export const optionLanes: Template = template({
  id: "options-on-lanes",
  from: "shared-walks",
  idea: "Give each lane options of its own, broadcast the walks from shared memory and sum the payoffs in registers.",
  options: {
    held: [1, 3, 2, 6],
    drift: ["running", "scaled", "horner"],
    power: ["short", "exp2f", "machine", "mixed"],
    producer: ["prefix", "path", "lanes"],
    unroll: [false, true],
    persistent: [false, true],
    finish: ["price", "slots"],
    bounds: [false, true],
    slots: [4, 8, 16],
    tile: [64, 128, 32],
  },
  valid: ({ held, slots }) => (96 / held) * slots <= 512 && ((96 / held) * slots) % 32 === 0,
  count: 24,
  write: (
    { held, drift, power, producer, unroll, persistent, finish, bounds, slots, tile },
    { options = 0, paths = 0, steps = 0 },
  ) => {
    const owners = options / held;
    const horner = drift === "horner";
    const step = (lane: string, k: number): string =>
      addStep(
        drift,
        power,
        { c: "c[h]", w: `w.${lane}`, sum: "sum[h]", t: horner ? "growth[h]" : "t[h]", s: `4 * group + ${k}` },
        k,
      ).replace(`(4 * group + ${k} + 1)`, `(4 * group + ${k + 1})`);
    const order = horner ? lanes.map((_, k) => 3 - k) : lanes.map((_, k) => k);
    const each = (line: string): string => `#pragma unroll\nfor (int h = 0; h < HELD; ++h) {\n${line}\n}`;
    const add =
      finish === "price"
        ? each("atomicAdd(price + owner + h * OWNERS, total[h]);")
        : `__shared__ float shares[SLOTS][OWNERS * HELD];
          ${each("shares[slot][owner + h * OWNERS] = total[h];")}
          __syncthreads();
          for (int o = threadIdx.x; o < OWNERS * HELD; o += THREADS) {
            float sum = 0.0f;
            for (int k = 0; k < SLOTS; ++k) sum += shares[k][o];
            atomicAdd(price + o, sum);
          }`;
    const body = `
      ${produceTile(producer)}
      __syncthreads();
      for (int p = slot; p < TILE; p += SLOTS) {
        float sum[HELD] = {}${on(drift === "running", ", t[HELD] = {}")};
        ${on(unroll, "#pragma unroll", "#pragma unroll 1")}
        ${horner ? "for (int group = GROUPS - 1; group >= 0; --group) {" : "for (int group = 0; group < GROUPS; ++group) {"}
          const float4 w = walk[p][group];
          ${each(order.map((k) => step(lanes[k] as string, k)).join("\n"))}
        }
        ${each(`total[h] += worth(c[h], sum[h]${on(horner, " * growth[h]")});`)}
      }`;
    const source = `
      constexpr int TILE = ${tile}, GROUPS = ${steps / 4};
      constexpr int HELD = ${held}, OWNERS = ${owners}, SLOTS = ${slots}, THREADS = OWNERS * SLOTS;
      ${philox("macro")}
      ${gauss("two", "pi")}
      ${contract(plain(power), paths, steps)}
      ${on(power === "mixed", polynomial)}
      ${clearPrices(options)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}value_lanes(const float* __restrict__ book, const unsigned int* __restrict__ key, float* __restrict__ price) {
        __shared__ float4 walk[TILE][GROUPS];
        const int owner = threadIdx.x % OWNERS, slot = threadIdx.x / OWNERS;
        const uint2 seed = make_uint2(key[0], key[1]);
        Contract c[HELD];
        float total[HELD] = {};
        ${on(horner, "float growth[HELD];")}
        ${each(`c[h] = read_contract(book, owner + h * OWNERS);\n${on(horner, `growth[h] = ${exponential(plain(power), "c[h].drift")};`)}`)}
        ${persistent ? `for (int tile = blockIdx.x; tile < ${paths / tile}; tile += gridDim.x) {\n__syncthreads();\n${body}\n}` : `const int tile = blockIdx.x;\n${body}`}
        ${add}
      }
    `;
    const grid = persistent ? Math.min(paths / tile, 132 * Math.floor(2048 / (owners * slots) / 2)) : paths / tile;
    const launches = [
      launch("clear_prices", 1, 128, ["price"]),
      launch("value_lanes", grid, owners * slots, ["book", "key", "price"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** A thread advances a group of options along one path, drawing the normals per group of options. */
export const optionGroups: Template = template({
  id: "option-groups",
  from: "path-loop",
  idea: "Advance a group of options along the same path in one thread, so that a draw serves them all.",
  options: {
    group: [4, 2, 8, 12, 6],
    state: ["product", "log", "walk"],
    reduce: ["warps", "tree", "warp-atomic", "shared-atomic"],
    table: ["registers", "shared"],
    exp: ["short", "expf", "exp2f", "machine"],
    mixer: ["wide", "umulhi", "macro", "keys"],
    trig: ["pi", "short", "split"],
    unroll: [true, false],
    relaxed: [false, true],
    block: [128, 64, 256],
  },
  count: 34,
  write: (
    { group, state, reduce, table, exp, mixer, trig, unroll, relaxed, block },
    { options = 0, paths = 0, steps = 0 },
  ) => {
    const step = (lane: string, index: number): string =>
      ({
        product: `state[k] *= ${exponential(exp, `fmaf(c[k].sigma, z.${lane}, c[k].drift)`)};\nsum[k] += state[k];`,
        log: `state[k] += fmaf(c[k].sigma, z.${lane}, c[k].drift);\nsum[k] += ${exponential(exp, "state[k]")};`,
        walk: `state[k] += c[k].drift;\nsum[k] += ${exponential(exp, `fmaf(c[k].sigma, w${index}, state[k])`)};`,
      })[state];
    const source = `
      #define TOGETHER ${group}
      ${philox(mixer)}
      ${gauss(relaxed ? "short" : "natural", trig)}
      ${contract(exp, paths, steps)}
      ${clearPrices(options)}
      extern "C" __global__ void advance_group(const float* __restrict__ book, const unsigned int* __restrict__ key, float* __restrict__ price) {
        const int path = blockIdx.x * ${block} + threadIdx.x;
        const int option = blockIdx.y * TOGETHER;
        ${
          table === "shared"
            ? `__shared__ Contract c[TOGETHER];
        if (threadIdx.x < TOGETHER) c[threadIdx.x] = read_contract(book, option + threadIdx.x);
        __syncthreads();`
            : "Contract c[TOGETHER];\n#pragma unroll\nfor (int k = 0; k < TOGETHER; ++k) c[k] = read_contract(book, option + k);"
        }
        float state[TOGETHER], sum[TOGETHER];
        #pragma unroll
        for (int k = 0; k < TOGETHER; ++k) {
          state[k] = ${state === "product" ? "1.0f" : "0.0f"};
          sum[k] = 0.0f;
        }
        ${on(state === "walk", "float w = 0.0f;")}
        const uint2 seed = make_uint2(key[0], key[1]);
        ${on(unroll, "#pragma unroll 2", "#pragma unroll 1")}
        for (int group = 0; group < ${steps / 4}; ++group) {
          const float4 z = gauss_four(path, group, seed);
          ${on(state === "walk", "const float w0 = w + z.x, w1 = w0 + z.y, w2 = w1 + z.z, w3 = w2 + z.w;\nw = w3;")}
          #pragma unroll
          for (int k = 0; k < TOGETHER; ++k) {
            ${lanes.map(step).join("\n")}
          }
        }
        #pragma unroll
        for (int k = 0; k < TOGETHER; ++k) {
          float value = worth(c[k], sum[k]);
          __syncthreads();
          ${addToPrice(reduce, "price + option + k", block)}
        }
      }
    `;
    const launches = [
      launch("clear_prices", 1, 128, ["price"]),
      launch("advance_group", [paths / block, options / group], block, ["book", "key", "price"]),
    ];
    return styled(
      { source, launches, compileOptions: relaxed ? ["--use_fast_math"] : [] },
      { names: "camel", indent: 2 },
    );
  },
});
