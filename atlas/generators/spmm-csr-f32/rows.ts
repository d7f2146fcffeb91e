import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { csr, joinHalves, matrixArguments, startSums, storeRow, walkEntries, widths } from "./walk.ts";

/** A thread per element of the result, neighbours along a row. */
export const elementThread = template({
  id: "element-thread",
  from: null,
  idea: "Give each element of the result a thread, so that neighbours read neighbouring features",
  options: {
    map: ["flat", "block", "halves"],
    loop: ["for", "while", "two sums"],
    read: ["plain", "__ldg"],
    restrict: [false, true],
    unroll: [false, true],
    size: ["args", "constants"],
    block: [256, 128, 512, 64],
  },
  valid: (o) => !(o.unroll && o.loop === "while"),
  count: 26,
  write: (o, { rows = 0, d = 0 }) => {
    const mark = on(o.restrict, " __restrict__");
    const get = (place: string): string => (o.read === "plain" ? place : `__ldg(&${place})`);
    const [count, wide] = o.size === "args" ? ["rows", "d"] : [String(rows), String(d)];
    const product = (k: string): string =>
      `${get(`vals[${k}]`)} * ${get(`x[${get(`cols[${k}]`)} * ${wide} + feature]`)}`;
    const place = {
      flat: `int i = blockIdx.x * blockDim.x + threadIdx.x;\nint row = i / ${wide};\nint feature = i % ${wide};`,
      block: `int row = blockIdx.x * blockDim.y + threadIdx.y;\nint feature = threadIdx.x;`,
      halves: `int row = blockIdx.x * blockDim.y + threadIdx.y;\nint feature = blockIdx.y * blockDim.x + threadIdx.x;`,
    }[o.map];
    const loop = {
      for: `${on(o.unroll, "#pragma unroll 4")}\nfor (int k = begin; k < end; k++) sum += ${product("k")};`,
      while: `int k = begin;\nwhile (k < end) {\nsum += ${product("k")};\nk++;\n}`,
      "two sums": `float other = 0.0f;
        int k = begin;
        ${on(o.unroll, "#pragma unroll 2")}
        for (; k + 1 < end; k += 2) {
          sum += ${product("k")};
          other += ${product("k + 1")};
        }
        if (k < end) sum += ${product("k")};
        sum += other;`,
    }[o.loop];
    const source = `extern "C" __global__ void spmm(const int*${mark} row_ptr, const int*${mark} cols, const float*${mark} vals, const float*${mark} x, float*${mark} y${on(o.size === "args", ", int rows, int d")}) {
        ${place}
        if (row >= ${count}) return;
        int begin = ${get("row_ptr[row]")}, end = ${get("row_ptr[row + 1]")};
        float sum = 0.0f;
        ${loop}
        y[row * ${wide} + feature] = sum;
      }
    `;
    const width = { flat: 0, block: d, halves: d / 2 }[o.map];
    const numbers = o.size === "args" ? [{ i32: rows }, { i32: d }] : [];
    const args = [...matrixArguments, "x", "y", ...numbers];
    const entry =
      o.map === "flat"
        ? launch("spmm", (rows * d) / o.block, o.block, args)
        : launch("spmm", [rows / (o.block / width), d / width], [width, o.block / width], args);
    return styled({ source, launches: [entry] }, { names: "snake", indent: 4 });
  },
});

/** A warp per row. */
export const warpRow = template({
  id: "warp-row",
  from: "element-thread",
  idea: "Give each row a warp, two features or four per lane",
  options: {
    width: widths,
    walk: ["plain", "four"],
    unroll: ["", "#pragma unroll 4", "#pragma unroll 2", "#pragma unroll 1"],
    rows: ["one", "stride", "neighbours"],
    bounds: [false, true],
    clamp: [false, true],
    block: [256, 128, 512, 64],
  },
  valid: (o) => o.walk === "plain" || o.unroll === "",
  count: 28,
  write: (o, { rows = 0 }) => {
    const row = `const int begin = row_ptr[row], end = row_ptr[row + 1];
      ${on(o.clamp, "if (begin == end) {\n" + startSums(o.width) + "\n" + storeRow(o.width, "row") + "\ncontinue;\n}")}
      ${startSums(o.width)}
      ${walkEntries(o.walk, o.width, "begin", "end", o.unroll)}
      ${joinHalves(o.width)}
      ${storeRow(o.width, "row")}`;
    const warps = { one: rows, stride: 132 * 64, neighbours: rows / 8 }[o.rows];
    const loop = {
      one: `for (int row = warp; row < warp + 1; ++row) {\n${row}\n}`,
      stride: `for (int row = warp; row < ${rows}; row += ${warps}) {\n${row}\n}`,
      neighbours: `for (int row = warp * 8; row < warp * 8 + 8; ++row) {\n${row}\n}`,
    }[o.rows];
    const source = `extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.block}) `)}spmm_warp(${csr}, const float* __restrict__ x, float* __restrict__ y) {
        const int warp = blockIdx.x * ${o.block / 32} + threadIdx.x / 32;
        const int lane = threadIdx.x % 32;
        ${loop}
      }
    `;
    return styled(
      { source, launches: [launch("spmm_warp", warps / (o.block / 32), o.block, [...matrixArguments, "x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A warp per row that fetches 32 entries at once and passes them round. */
export const warpShuffle = template({
  id: "entries-by-shuffle",
  from: "warp-row",
  idea: "Load 32 entries of a row with one coalesced read each and pass them round by shuffles",
  options: {
    width: widths,
    tail: ["counted", "whole", "split"],
    ahead: [false, true],
    unroll: ["#pragma unroll", "#pragma unroll 4", "#pragma unroll 8", "#pragma unroll 1"],
    stride: [false, true],
    block: [256, 128, 64],
  },
  count: 24,
  write: (o, { rows = 0 }) => {
    const quad = o.width === "quad";
    const step = quad ? 2 : 1;
    const body = `const int source = j${on(quad, " + lane / 16")};
        const int column = __shfl_sync(kAll, myColumn, source);
        const float value = __shfl_sync(kAll, myValue, source);
        ${
          {
            two: `const float* from = x + column * 64 + lane;\nsum.x += value * from[0];\nsum.y += value * from[32];`,
            pair: `const float2 from = reinterpret_cast<const float2*>(x)[column * 32 + lane];\nsum.x += value * from.x;\nsum.y += value * from.y;`,
            quad: `const float4 from = reinterpret_cast<const float4*>(x)[column * 16 + lane % 16];
              sum.x += value * from.x;
              sum.y += value * from.y;
              sum.z += value * from.z;
              sum.w += value * from.w;`,
          }[o.width]
        }`;
    const whole = `${o.unroll}\nfor (int j = 0; j < 32; j += ${step}) {\n${body}\n}`;
    const counted = `${o.unroll === "#pragma unroll" ? "" : o.unroll}\nfor (int j = 0; j < left; j += ${step}) {\n${body}\n}`;
    const inner = { counted, whole, split: `if (left == 32) {\n${whole}\n} else {\n${counted}\n}` }[o.tail];
    const fetch = (at: string): string => `myColumn = 0;
      myValue = 0.0f;
      if (${at} + lane < end) {
        myColumn = cols[${at} + lane];
        myValue = vals[${at} + lane];
      }`;
    const loop = o.ahead
      ? `int nextColumn = 0;
        float nextValue = 0.0f;
        if (begin + lane < end) {
          nextColumn = cols[begin + lane];
          nextValue = vals[begin + lane];
        }
        for (int base = begin; base < end; base += 32) {
          const int myColumn = nextColumn;
          const float myValue = nextValue;
          nextColumn = 0;
          nextValue = 0.0f;
          if (base + 32 + lane < end) {
            nextColumn = cols[base + 32 + lane];
            nextValue = vals[base + 32 + lane];
          }
          const int left = min(32, end - base);
          ${inner}
        }`
      : `int myColumn;
        float myValue;
        for (int base = begin; base < end; base += 32) {
          ${fetch("base")}
          const int left = min(32, end - base);
          ${inner}
        }`;
    const row = `const int begin = row_ptr[row], end = row_ptr[row + 1];
      ${startSums(o.width)}
      ${loop}
      ${joinHalves(o.width)}
      ${storeRow(o.width, "row")}`;
    const first = `blockIdx.x * ${o.block / 32} + threadIdx.x / 32`;
    const source = `constexpr unsigned int kAll = 0xffffffffu;

      extern "C" __global__ void spmmShuffle(${csr}, const float* __restrict__ x, float* __restrict__ y) {
        const int lane = threadIdx.x % 32;
        ${
          o.stride
            ? `for (int row = ${first}; row < ${rows}; row += gridDim.x * ${o.block / 32}) {\n${row}\n}`
            : `const int row = ${first};\n${row}`
        }
      }
    `;
    const blocks = o.stride ? (132 * 2048) / o.block : rows / (o.block / 32);
    return styled(
      { source, launches: [launch("spmmShuffle", blocks, o.block, [...matrixArguments, "x", "y"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Entries staged in shared memory by each warp. */
export const stagedEntries = template({
  id: "entries-in-shared",
  from: "entries-by-shuffle",
  idea: "Stage a warp's entries in shared memory and read them back as broadcasts",
  options: {
    pack: ["pairs", "apart", "offsets"],
    chunk: [64, 32, 128],
    wide: [false, true],
    inner: ["simple", "unroll 4", "by hand"],
    block: [128, 256, 512],
    stride: [false, true],
  },
  count: 22,
  write: (o, { rows = 0 }) => {
    const warps = o.block / 32;
    const type = o.wide ? "float4" : "float2";
    const step = o.wide ? 2 : 1;
    const scale = o.wide ? 16 : 32;
    const at = o.wide ? "(lane & 15)" : "lane";
    const stage = {
      pairs: `stash[warp][i] = make_int2(cols[base + i], __float_as_int(vals[base + i]));`,
      apart: `stash_cols[warp][i] = cols[base + i];\nstash_vals[warp][i] = vals[base + i];`,
      offsets: `stash[warp][i] = make_int2(cols[base + i] * ${scale}, __float_as_int(vals[base + i]));`,
    }[o.pack];
    const entry = (j: string, tag: string): string =>
      ({
        pairs: `const int2 e${tag} = stash[warp][${j}];
          const ${type} p${tag} = dense[e${tag}.x * ${scale} + ${at}];
          const float v${tag} = __int_as_float(e${tag}.y);`,
        apart: `const ${type} p${tag} = dense[stash_cols[warp][${j}] * ${scale} + ${at}];
          const float v${tag} = stash_vals[warp][${j}];`,
        offsets: `const int2 e${tag} = stash[warp][${j}];
          const ${type} p${tag} = dense[e${tag}.x + ${at}];
          const float v${tag} = __int_as_float(e${tag}.y);`,
      })[o.pack];
    const add = (tag: string): string =>
      (o.wide ? ["x", "y", "z", "w"] : ["x", "y"])
        .map((k) => `sum.${k} = fmaf(v${tag}, p${tag}.${k}, sum.${k});`)
        .join("\n");
    const first = o.wide ? "lane >> 4" : "0";
    const simple = `for (int j = ${first}; j < here; j += ${step}) {\n${entry("j", "")}\n${add("")}\n}`;
    const inner = {
      simple,
      "unroll 4": `#pragma unroll 4\n${simple}`,
      "by hand": `int j = ${first};
        for (; j + ${3 * step} < here; j += ${4 * step}) {
          ${repeat(4, (t) => entry(`j + ${t * step}`, String(t)))}
          ${repeat(4, (t) => add(String(t)))}
        }
        for (; j < here; j += ${step}) {\n${entry("j", "")}\n${add("")}\n}`,
    }[o.inner];
    const width = o.wide ? "quad" : "pair";
    const row = `const int begin = row_ptr[row], end = row_ptr[row + 1];
      ${startSums(width)}
      for (int base = begin; base < end; base += CHUNK) {
        const int here = min(CHUNK, end - base);
        for (int i = lane; i < here; i += 32) {
          ${stage}
        }
        __syncwarp();
        ${inner}
        __syncwarp();
      }
      ${joinHalves(width)}
      ${storeRow(width, "row")}`;
    const source = `#define CHUNK ${o.chunk}

      extern "C" __global__ void spmm_stash(${csr}, const float* __restrict__ x, float* __restrict__ y) {
        ${
          o.pack === "apart"
            ? `__shared__ int stash_cols[${warps}][CHUNK];\n__shared__ float stash_vals[${warps}][CHUNK];`
            : `__shared__ int2 stash[${warps}][CHUNK];`
        }
        const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
        const ${type}* dense = reinterpret_cast<const ${type}*>(x);
        ${
          o.stride
            ? `for (int row = blockIdx.x * ${warps} + warp; row < ${rows}; row += gridDim.x * ${warps}) {\n${row}\n}`
            : `const int row = blockIdx.x * ${warps} + warp;\n${row}`
        }
      }
    `;
    const blocks = o.stride ? (132 * 2048) / o.block : rows / warps;
    return styled(
      { source, launches: [launch("spmm_stash", blocks, o.block, [...matrixArguments, "x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});
