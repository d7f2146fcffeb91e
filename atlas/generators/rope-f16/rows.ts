import type { Template } from "../kit/generator.ts";
import { on, repeat, styled, template } from "../kit/code.ts";
import { parameters, rowLaunches, rowLines, shape } from "./layout.ts";
import { get, packed, put, rotateText, trigLines, type Hint } from "./trig.ts";

const hints = ["plain", "stream", "stores", "nc"] as const satisfies readonly Hint[];

/** A thread walks over all pairs of one head. */
export const headThread: Template = template({
  id: "head-per-thread",
  from: null,
  idea: "Keep one thread per head and compute the angles in another way.",
  options: {
    trig: ["divide", "powf", "separate", "exp2", "approx", "half-turns", "double"],
    joint: ["each", "joint"],
    walk: ["pairs", "half2", "copied", "ratio"],
    index: ["row", "token-inner"],
    unroll: ["none", "four", "eight"],
    restrict: [false, true],
    block: [128, 64, 256, 32],
  },
  valid: ({ walk, trig }) => walk !== "ratio" || trig === "exp2",
  count: 26,
  write: ({ trig, joint, walk, index, unroll, restrict, block }, sizes) => {
    const given = shape(sizes);
    const r = on(restrict, "__restrict__ ");
    const pragma = { none: "", four: "#pragma unroll 4", eight: "#pragma unroll 8" }[unroll];
    const turn = (a: string, b: string, lo: string, hi: string): string => `
      ${lo} = __float2half(${a} * c - ${b} * s);
      ${hi} = __float2half(${b} * c + ${a} * s);`;
    const pairs = (from: string, to: string, lines: string): string => `
      ${pragma}
      for (int i = 0; i < HALF; ++i) {
        float c, s;
        ${lines}
        const float a = __half2float(${from}[i]);
        const float b = __half2float(${from}[i + HALF]);
        ${turn("a", "b", `${to}[i]`, `${to}[i + HALF]`)}
      }`;
    const each = trigLines(trig, "position", "i", "c", "s");
    const bodies = {
      pairs: pairs("in", "out", each),
      ratio: `float angle = (float)position;\n${pairs("in", "out", "sincosf(angle, &s, &c);\nangle *= 0.865964323f;")}`,
      copied: `
        __align__(16) __half own_row[128];
        #pragma unroll
        for (int v = 0; v < 16; ++v) reinterpret_cast<uint4*>(own_row)[v] = reinterpret_cast<const uint4*>(in)[v];
        ${pairs("own_row", "own_row", each)}
        #pragma unroll
        for (int v = 0; v < 16; ++v) reinterpret_cast<uint4*>(out)[v] = reinterpret_cast<uint4*>(own_row)[v];`,
      half2: `
        const __half2* in2 = reinterpret_cast<const __half2*>(in);
        __half2* out2 = reinterpret_cast<__half2*>(out);
        ${pragma}
        for (int i = 0; i < HALF; i += 2) {
          float c0, s0, c1, s1;
          ${trigLines(trig, "position", "i", "c0", "s0")}
          ${trigLines(trig, "position", "i + 1", "c1", "s1")}
          const float2 a = __half22float2(in2[i / 2]);
          const float2 b = __half22float2(in2[(i + HALF) / 2]);
          out2[i / 2] = __floats2half2_rn(a.x * c0 - b.x * s0, a.y * c1 - b.y * s1);
          out2[(i + HALF) / 2] = __floats2half2_rn(b.x * c0 + a.x * s0, b.y * c1 + a.y * s1);
        }`,
    };
    const total = joint === "joint" ? "gridDim.x * blockDim.x" : `${given.tokens} * heads`;
    const number = "blockIdx.x * blockDim.x + threadIdx.x";
    const count = given.heads + given.keyHeads;
    const tokenFastest =
      joint === "joint"
        ? `const int row = ((${number}) % ${given.tokens / 32}) * ${count * 32} + (${number}) / ${given.tokens / 32};`
        : `const int row = ((${number}) % ${given.tokens}) * heads + (${number}) / ${given.tokens};`;
    const source = `
      #include <cuda_fp16.h>
      #define HALF 64

      extern "C" __global__ void __launch_bounds__(${block}) rope_heads(${parameters(joint, r)}) {
        ${index === "row" ? `const int row = ${number};` : tokenFastest}
        if (row >= ${total}) return;
        ${rowLines(joint, given)}
        const int position = positions[token];
        ${bodies[walk]}
      }
    `;
    return styled(
      { source, launches: rowLaunches(joint, "rope_heads", given, (rows) => rows / block, block) },
      { names: "snake", indent: 2 },
    );
  },
});

/** One pair per thread. */
export const pairThread: Template = template({
  id: "pair-per-thread",
  from: "head-per-thread",
  idea: "Give every pair a thread so that neighbouring threads touch neighbouring numbers.",
  options: {
    trig: ["powf", "divide", "separate", "exp2", "approx", "half-turns", "double"],
    joint: ["each", "joint"],
    index: ["flat", "block-rows", "loop"],
    rowsPerBlock: [4, 1, 2, 8, 16],
    interleaved: [false, true],
    convert: ["float", "half-late"],
    restrict: [false, true],
    hint: hints,
    shift: [false, true],
  },
  count: 26,
  write: ({ trig, joint, index, rowsPerBlock, interleaved, convert, restrict, hint, shift }, sizes) => {
    const given = shape(sizes);
    const r = on(restrict, "__restrict__ ");
    const block = rowsPerBlock * 64;
    const pair = index === "block-rows" ? "threadIdx.x" : shift ? "n & 63" : "n % 64";
    const number = `blockIdx.x * ${block} + threadIdx.x`;
    const find = {
      flat: `const int n = ${number};\nconst int row = n ${shift ? ">> 6" : "/ 64"};`,
      "block-rows": `const int row = blockIdx.x * ${rowsPerBlock} + threadIdx.y;`,
      loop: `for (int n = ${number}; n < count; n += gridDim.x * ${block}) {\nconst int row = n ${shift ? ">> 6" : "/ 64"};`,
    }[index];
    const place = interleaved ? "(i & 1) * 32 + (i >> 1)" : "i";
    const turned =
      convert === "float"
        ? `
          const float a = __half2float(${get(hint, "in + p")});
          const float b = __half2float(${get(hint, "in + p + 64")});
          ${put(hint, "out + p", "__float2half_rn(a * c - b * s)")}
          ${put(hint, "out + p + 64", "__float2half_rn(b * c + a * s)")}`
        : `
          const __half a = ${get(hint, "in + p")};
          const __half b = ${get(hint, "in + p + 64")};
          ${put(hint, "out + p", "__float2half_rn(fmaf(__half2float(a), c, -__half2float(b) * s))")}
          ${put(hint, "out + p + 64", "__float2half_rn(fmaf(__half2float(b), c, __half2float(a) * s))")}`;
    const source = `
      #include <cuda_fp16.h>

      extern "C" __global__ void rope_pairs(${parameters(joint, r)}${on(index === "loop", ", int count")}) {
        ${find}
        const int i = ${pair};
        const int p = ${place};
        ${rowLines(joint, given)}
        const int position = positions[token];
        float c, s;
        ${trigLines(trig, "position", "p", "c", "s")}
        ${turned}
        ${on(index === "loop", "}")}
      }
    `;
    const grid = (rows: number): number => (index === "loop" ? 132 * (2048 / block) : rows / rowsPerBlock);
    const launches = rowLaunches(
      joint,
      "rope_pairs",
      given,
      grid,
      index === "block-rows" ? [64, rowsPerBlock] : block,
    ).map((entry, which) => {
      const all = given.tokens * (which ? given.keyHeads : given.heads + (joint === "joint" ? given.keyHeads : 0));
      return index === "loop" ? { ...entry, args: [...entry.args, { i32: all * 64 }] } : entry;
    });
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** Packed loads of both halves of a head; every thread computes its own angles. */
export const packedPairs: Template = template({
  id: "packed-pairs",
  from: "pair-per-thread",
  idea: "Load two, four or eight neighbouring halves at once from both halves of the head.",
  options: {
    width: [2, 4, 8],
    trig: ["powf", "exp2", "separate", "approx", "half-turns", "double"],
    joint: ["joint", "each"],
    angles: ["before", "inside", "ratio"],
    unrolled: [false, true],
    hint: hints,
    rowsPerBlock: [16, 8, 32, 4],
    restrict: [true, false],
  },
  valid: ({ width, rowsPerBlock, trig, angles }) =>
    (64 / width) * rowsPerBlock <= 1024 && (64 / width) * rowsPerBlock >= 32 && (angles !== "ratio" || trig === "exp2"),
  count: 26,
  write: ({ width, trig, joint, angles, unrolled, hint, rowsPerBlock, restrict }, sizes) => {
    const given = shape(sizes);
    const r = on(restrict, "__restrict__ ");
    const type = packed(width);
    const lanes = 64 / width;
    const block = lanes * rowsPerBlock;
    const prepare = {
      before: `
        float c[${width}], s[${width}];
        ${
          unrolled
            ? repeat(width, (e) => trigLines(trig, "position", `first + ${e}`, `c[${e}]`, `s[${e}]`))
            : `#pragma unroll\nfor (int e = 0; e < ${width}; ++e) {\n${trigLines(trig, "position", "first + e", "c[e]", "s[e]")}\n}`
        }`,
      ratio: `
        float c[${width}], s[${width}];
        float angle = (float)position * exp2f(-0.207620506f * (float)first);
        #pragma unroll
        for (int e = 0; e < ${width}; ++e) {
          sincosf(angle, &s[e], &c[e]);
          angle *= 0.865964323f;
        }`,
      inside: "",
    }[angles];
    const inside = `
      const __half* a_parts = reinterpret_cast<const __half*>(&a);
      const __half* b_parts = reinterpret_cast<const __half*>(&b);
      ${unrolled ? "#pragma unroll" : "#pragma unroll 1"}
      for (int e = 0; e < ${width}; ++e) {
        float c, s;
        ${trigLines(trig, "position", "first + e", "c", "s")}
        const float u = __half2float(a_parts[e]);
        const float w = __half2float(b_parts[e]);
        reinterpret_cast<__half*>(&lo)[e] = __float2half_rn(u * c - w * s);
        reinterpret_cast<__half*>(&hi)[e] = __float2half_rn(w * c + u * s);
      }`;
    const source = `
      #include <cuda_fp16.h>
      constexpr int kLanes = ${lanes};  // threads per head

      extern "C" __global__ void rope_packed(${parameters(joint, r, type)}) {
        const int n = blockIdx.x * blockDim.x + threadIdx.x;
        const int row = n / kLanes;
        const int lane = n % kLanes;
        const int first = lane * ${width};
        ${rowLines(joint, given, type, 128 / width)}
        const int position = positions[token];
        const ${type} a = ${get(hint, "in + lane")};
        const ${type} b = ${get(hint, "in + lane + kLanes")};
        ${type} lo, hi;
        ${prepare}
        ${
          angles === "inside"
            ? inside
            : rotateText(
                width,
                (pair) => `c[${pair}]`,
                (pair) => `s[${pair}]`,
                unrolled,
              )
        }
        ${put(hint, "out + lane", "lo")}
        ${put(hint, "out + lane + kLanes", "hi")}
      }
    `;
    return styled(
      { source, launches: rowLaunches(joint, "rope_packed", given, (rows) => rows / rowsPerBlock, block) },
      { names: "snake", indent: 4 },
    );
  },
});
