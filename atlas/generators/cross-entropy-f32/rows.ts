import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { expDifference, lanes4, larger, logarithm, logConstants, plus, takeIn, warpFold } from "./pieces.ts";

/** One thread walks along one row. */
export const threadRow: Template = template({
  id: "thread-per-row",
  from: null,
  idea: "Give each thread a row and walk along it.",
  options: {
    passes: ["two", "running"],
    branching: [false, true],
    vector: [false, true],
    exponent: ["libm", "intrinsic", "base2"],
    target: ["load", "search"],
    sums: ["one", "four"],
    unroll: [false, true],
    block: [64, 32, 128, 16],
  },
  valid: ({ passes, branching, vector, sums, target }) =>
    (passes === "running" || !branching) &&
    (sums === "one" || (vector && passes === "two")) &&
    (target === "load" || !vector),
  count: 22,
  write: ({ passes, branching, vector, exponent, target, sums, unroll, block }, { rows = 0, cols = 0 }) => {
    const count = vector ? cols / 4 : cols;
    const each = (line: (v: string, k: number) => string): string =>
      vector ? `float4 q = row[c];\n${lanes4.map((lane, k) => line(`q.${lane}`, k)).join("\n")}` : line("row[c]", 0);
    const loop = (body: string): string =>
      `${on(unroll, "#pragma unroll 8\n")}for (int c = 0; c < ${count}; ++c) {\n${body}\n}`;
    const found = on(target === "search", "if (c == label) hit = row[c];");
    const mass = (k: number): string => (sums === "four" ? `mass${k}` : "mass");
    const two = `
      float peak = -3.0e38f;
      ${loop(each((v) => `peak = fmaxf(peak, ${v});`))}
      ${sums === "four" ? "float mass0 = 0.0f, mass1 = 0.0f, mass2 = 0.0f, mass3 = 0.0f;" : "float mass = 0.0f;"}
      ${loop(`${each((v, k) => `${mass(k)} += ${expDifference(exponent, v, "peak")};`)}\n${found}`)}
      ${on(sums === "four", "float mass = (mass0 + mass1) + (mass2 + mass3);")}`;
    const running = `
      float peak = -3.0e38f;
      float mass = 0.0f;
      ${loop(`${each((v) => `take_in(${v}, peak, mass);`)}\n${found}`)}`;
    const source = `
      ${logConstants(exponent)}
      ${on(passes === "running", takeIn(exponent, branching))}
      extern "C" __global__ void row_loss(const float* __restrict__ logits, const int* __restrict__ labels, float* __restrict__ loss, int rows, int cols) {
        int r = blockIdx.x * blockDim.x + threadIdx.x;
        if (r >= rows) return;
        const float* start = logits + (size_t)r * cols;
        const ${vector ? "float4" : "float"}* row = ${on(vector, "(const float4*)")}start;
        int label = labels[r];
        ${target === "search" ? "float hit = 0.0f;" : "float hit = start[label];"}
        ${passes === "two" ? two : running}
        loss[r] = peak + ${logarithm(exponent, "mass")} - hit;
      }
    `;
    const args = ["logits", "labels", "loss", { i32: rows }, { i32: cols }];
    return styled(
      { source, launches: [launch("row_loss", Math.ceil(rows / block), block, args)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** One warp walks along one row. */
export const warpRow: Template = template({
  id: "warp-per-row",
  from: "thread-per-row",
  idea: "Let the 32 lanes of a warp share a row and fold their values with shuffles.",
  options: {
    passes: ["two", "running", "batch"],
    branching: [false, true],
    vector: [true, false],
    exponent: ["intrinsic", "libm", "base2"],
    butterfly: [true, false],
    load: ["plain", "ldg", "streaming"],
    backwards: [false, true],
    warps: [4, 8, 2, 1, 16],
  },
  valid: ({ passes, branching, vector, backwards }) =>
    (passes === "running" || !branching) && (passes !== "batch" || vector) && (passes === "two" || !backwards),
  count: 27,
  write: (options, { rows = 0, cols = 0 }) => {
    const { passes, branching, vector, exponent, butterfly, load, backwards, warps } = options;
    const count = vector ? cols / 4 : cols;
    const get = { plain: "row[i]", ldg: "__ldg(row + i)", streaming: "__ldcs(row + i)" }[load];
    const each = (line: (v: string) => string): string =>
      vector
        ? `float4 q = ${get};\n${lanes4.map((lane) => line(`q.${lane}`)).join("\n")}`
        : `float v = ${get};\n${line("v")}`;
    const loop = (body: string): string => `for (int i = lane; i < COUNT; i += 32) {\n${body}\n}`;
    const reversed = (body: string): string => `for (int i = COUNT - 32 + lane; i >= 0; i -= 32) {\n${body}\n}`;
    const spread = on(!butterfly, "peak = __shfl_sync(0xffffffffu, peak, 0);");
    const body = {
      two: `
        float peak = -3.0e38f;
        ${loop(each((v) => `peak = fmaxf(peak, ${v});`))}
        peak = fold_max(peak);
        ${spread}
        float mass = 0.0f;
        ${(backwards ? reversed : loop)(each((v) => `mass += ${expDifference(exponent, v, "peak")};`))}`,
      running: `
        float own = -3.0e38f, mass = 0.0f;
        ${loop(each((v) => `take_in(${v}, own, mass);`))}
        float peak = fold_max(own);
        ${spread}
        mass *= ${expDifference(exponent, "own", "peak")};`,
      batch: `
        float own = -3.0e38f, mass = 0.0f;
        ${loop(`float4 q = ${get};
          float next = fmaxf(fmaxf(own, q.x), fmaxf(q.y, fmaxf(q.z, q.w)));
          mass *= ${expDifference(exponent, "own", "next")};
          own = next;
          ${lanes4.map((lane) => `mass += ${expDifference(exponent, `q.${lane}`, "own")};`).join("\n")}`)}
        float peak = fold_max(own);
        ${spread}
        mass *= ${expDifference(exponent, "own", "peak")};`,
    }[passes];
    const source = `
      constexpr int COLS = ${cols};
      constexpr int COUNT = ${count};
      constexpr int WARPS = ${warps};
      ${logConstants(exponent)}
      ${warpFold("fold_max", larger, butterfly)}
      ${warpFold("fold_sum", plus, butterfly)}
      ${on(passes === "running", takeIn(exponent, branching))}
      extern "C" __global__ void warp_loss(const float* __restrict__ logits, const int* __restrict__ labels, float* __restrict__ loss) {
        const int lane = threadIdx.x % 32;
        const int r = blockIdx.x * WARPS + threadIdx.x / 32;
        const float* start = logits + (size_t)r * COLS;
        const ${vector ? "float4" : "float"}* row = reinterpret_cast<const ${vector ? "float4" : "float"}*>(start);
        ${body}
        mass = fold_sum(mass);
        if (lane == 0) {
          loss[r] = peak + ${logarithm(exponent, "mass")} - start[labels[r]];
        }
      }
    `;
    return styled(
      { source, launches: [launch("warp_loss", rows / warps, warps * 32, ["logits", "labels", "loss"])] },
      { names: "camel", indent: 4 },
    );
  },
});

function blockFold(reduce: "tree" | "leaders" | "atomic"): string {
  const bodies = {
    tree: (join: (a: string, b: string) => string) => `
      __shared__ float cell[NT];
      __syncthreads();
      cell[threadIdx.x] = value;
      __syncthreads();
      for (int half = NT / 2; half > 0; half >>= 1) {
        if (threadIdx.x < half) cell[threadIdx.x] = ${join("cell[threadIdx.x]", "cell[threadIdx.x + half]")};
        __syncthreads();
      }
      return cell[0];`,
    leaders: (join: (a: string, b: string) => string, name: string) => `
      __shared__ float cell[32];
      value = warp_${name}(value);
      __syncthreads();
      if ((threadIdx.x & 31) == 0) cell[threadIdx.x >> 5] = value;
      __syncthreads();
      float all = cell[0];
      for (int w = 1; w < NT / 32; ++w) all = ${join("all", "cell[w]")};
      return all;`,
    atomic: (_: (a: string, b: string) => string, name: string) => `
      // Logits are positive or the smallest float: their bits order like integers.
      __shared__ float cell;
      value = warp_${name}(value);
      __syncthreads();
      if (threadIdx.x == 0) cell = 0.0f;
      __syncthreads();
      if ((threadIdx.x & 31) == 0) ${name === "max" ? "atomicMax((int*)&cell, __float_as_int(value))" : "atomicAdd(&cell, value)"};
      __syncthreads();
      return cell;`,
  };
  const write = (name: string, join: (a: string, b: string) => string): string => `
    ${on(reduce !== "tree", warpFold(`warp_${name}`, join, true))}
    __device__ float group_${name}(float value) {
      ${bodies[reduce](join, name)}
    }
  `;
  return write("max", larger) + write("sum", plus);
}

/** One block walks along one row twice. */
export const blockRow: Template = template({
  id: "block-per-row",
  from: "warp-per-row",
  idea: "Use a whole block per row and reduce the peak and then the mass across it.",
  options: {
    reduce: ["tree", "leaders", "atomic"],
    vector: [false, true],
    exponent: ["libm", "intrinsic", "base2"],
    second: ["forward", "backward"],
    hit: ["end", "start", "search"],
    rowLoop: [false, true],
    unroll: ["none", "four", "manual"],
    block: [256, 128, 512, 1024, 64],
  },
  valid: ({ vector, hit, second, unroll }) =>
    (hit !== "search" || (!vector && second === "forward")) &&
    (second === "forward" || unroll !== "manual") &&
    (unroll !== "manual" || hit !== "search"),
  count: 28,
  write: (options, { rows = 0, cols = 0 }) => {
    const { reduce, vector, exponent, second, hit, rowLoop, unroll, block } = options;
    const count = vector ? cols / 4 : cols;
    const item = (line: (v: string) => string, name: string): string =>
      vector ? lanes4.map((lane) => line(`${name}.${lane}`)).join("\n") : line(name);
    const type = vector ? "float4" : "float";
    const forward = (line: (v: string) => string, more = ""): string =>
      unroll === "manual"
        ? `
        int i = threadIdx.x;
        for (; i + NT < N; i += 2 * NT) {
          ${type} a = row[i];
          ${type} b = row[i + NT];
          ${item(line, "a")}
          ${item(line, "b")}
        }
        if (i < N) {
          ${type} a = row[i];
          ${item(line, "a")}
        }`
        : `
        ${on(unroll === "four", "#pragma unroll 4")}
        for (int i = threadIdx.x; i < N; i += NT) {
          ${type} a = row[i];
          ${item(line, "a")}
          ${more}
        }`;
    const scope = (text: string): string => (unroll === "manual" ? `{\n${text}\n}` : text);
    const sum = (v: string): string => `mass += ${expDifference(exponent, v, "peak")};`;
    const backward = `
      for (int i = N - 1 - threadIdx.x; i >= 0; i -= NT) {
        ${type} a = row[i];
        ${item(sum, "a")}
      }`;
    const search = on(hit === "search", "if (i == label) loss[r] = -a;");
    const work = `
      const float* base = logits + (size_t)r * COLS;
      const ${type}* row = (const ${type}*)base;
      ${on(hit === "search", "const int label = labels[r];")}
      ${on(hit === "start", "const float target = base[labels[r]];")}
      float peak = -3.0e38f;
      ${scope(forward((v) => `peak = fmaxf(peak, ${v});`))}
      peak = group_max(peak);
      float mass = 0.0f;
      ${second === "forward" ? scope(forward(sum, search)) : backward}
      mass = group_sum(mass);
      if (threadIdx.x == 0) {
        loss[r] ${hit === "search" ? "+=" : "="} peak + ${logarithm(exponent, "mass")}${hit === "search" ? "" : hit === "start" ? " - target" : " - base[labels[r]]"};
      }`;
    const source = `
      #define NT ${block}
      #define COLS ${cols}
      #define N ${count}
      ${logConstants(exponent)}
      ${blockFold(reduce)}
      extern "C" __global__ void block_loss(const float* logits, const int* labels, float* loss${on(rowLoop, ", int rows")}) {
        ${rowLoop ? `for (int r = blockIdx.x; r < rows; r += gridDim.x) {\n${work}\n}` : `const int r = blockIdx.x;\n${work}`}
      }
    `;
    const args = ["logits", "labels", "loss", ...(rowLoop ? [{ i32: rows }] : [])];
    const grid = rowLoop ? 132 * Math.max(1, Math.floor(2048 / block)) : rows;
    return styled({ source, launches: [launch("block_loss", grid, block, args)] }, { names: "snake", indent: 4 });
  },
});
