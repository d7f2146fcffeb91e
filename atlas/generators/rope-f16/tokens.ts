import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { shape } from "./layout.ts";
import { angleLines, frequency, get, packed, put, rotateHalf, rotateText, trigLines, type Hint } from "./trig.ts";

const hints = ["plain", "stream", "stores", "nc"] as const satisfies readonly Hint[];
const everything = ["q", "k", "positions", "q_out", "k_out"] as const;

const signature = (name: string, type: string, block: number, restrict: boolean): string => {
  const r = on(restrict, "__restrict__ ");
  return `extern "C" __global__ void __launch_bounds__(${block}) ${name}(const ${type}* ${r}q, const ${type}* ${r}k, const int* ${r}positions,
    ${type}* ${r}q_out, ${type}* ${r}k_out)`;
};

/** One vector of one head: loads, rotation by c[] and s[], stores. */
function vectorLines(hint: Hint, type: string, from: string, to: string, lanes: number, rotation: string): string {
  return `
    const ${type} a = ${get(hint, from)};
    const ${type} b = ${get(hint, `${from} + ${lanes}`)};
    ${type} lo, hi;
    ${rotation}
    ${put(hint, to, "lo")}
    ${put(hint, `${to} + ${lanes}`, "hi")}`;
}

/** A thread keeps its pairs' angles in registers while it walks over the heads of its token. */
export const headsLoop: Template = template({
  id: "loop-over-heads",
  from: "packed-pairs",
  idea: "Compute the angles of a thread's pairs once and walk over all heads of the token with them.",
  options: {
    width: [2, 4, 8],
    trig: ["exp2", "powf", "approx", "half-turns", "separate"],
    groups: [4, 8, 2, 16, 32],
    loops: ["two", "one", "halves"],
    unroll: ["none", "two", "four"],
    hint: hints,
    tokensPerBlock: [1, 2, 4],
    restrict: [true, false],
    unrolled: [false, true],
  },
  valid: ({ width, groups, tokensPerBlock }) =>
    (64 / width) * groups * tokensPerBlock <= 512 && (64 / width) * groups * tokensPerBlock >= 64,
  count: 28,
  write: ({ width, trig, groups, loops, unroll, hint, tokensPerBlock, restrict, unrolled }, sizes) => {
    const { tokens, heads, keyHeads } = shape(sizes);
    const type = packed(width);
    const lanes = 64 / width;
    const block = lanes * groups * tokensPerBlock;
    const pragma = { none: "#pragma unroll 1", two: "#pragma unroll 2", four: "#pragma unroll 4" }[unroll];
    const rotation = rotateText(
      width,
      (pair) => `c[${pair}]`,
      (pair) => `s[${pair}]`,
      unrolled,
    );
    const walk = (count: number, from: string, to: string): string => `
      ${pragma}
      for (int h = group; h < ${count}; h += GROUPS) {
        const size_t at = ((size_t)token * ${count} + h) * (2 * LANES) + lane;
        ${vectorLines(hint, type, `${from} + at`, `${to} + at`, lanes, rotation)}
      }`;
    const one = `
      ${pragma}
      for (int h = group; h < ${heads + keyHeads}; h += GROUPS) {
        const bool query = h < ${heads};
        const size_t at = (query ? (size_t)token * ${heads} + h : (size_t)token * ${keyHeads} + h - ${heads}) * (2 * LANES) + lane;
        const ${type}* from = (query ? q : k) + at;
        ${type}* to = (query ? q_out : k_out) + at;
        ${vectorLines(hint, type, "from", "to", lanes, rotation)}
      }`;
    const byBlock = `
      if (blockIdx.y == 0) {
        ${walk(heads, "q", "q_out")}
      } else {
        ${walk(keyHeads, "k", "k_out")}
      }`;
    const bodies = { two: `${walk(heads, "q", "q_out")}\n${walk(keyHeads, "k", "k_out")}`, one, halves: byBlock };
    const source = `
      #include <cuda_fp16.h>
      #define LANES ${lanes}
      #define GROUPS ${groups}

      ${signature("rope_tokens", type, block, restrict)} {
        const int lane = threadIdx.x % LANES;
        const int group = threadIdx.x / LANES${on(tokensPerBlock > 1, " % GROUPS")};
        const int token = blockIdx.x${on(tokensPerBlock > 1, ` * ${tokensPerBlock} + threadIdx.x / (LANES * GROUPS)`)};
        const int position = positions[token];
        float c[${width}], s[${width}];
        #pragma unroll
        for (int e = 0; e < ${width}; ++e) {
          ${trigLines(trig, "position", `lane * ${width} + e`, "c[e]", "s[e]")}
        }
        ${bodies[loops]}
      }
    `;
    const grid = loops === "halves" ? ([tokens / tokensPerBlock, 2] as const) : tokens / tokensPerBlock;
    return styled(
      { source, launches: [launch("rope_tokens", grid, block, everything)] },
      { names: "camel", indent: 2 },
    );
  },
});

/** A block's first threads put the token's cosines and sines into shared memory. */
export const sharedAngles: Template = template({
  id: "shared-angles",
  from: "loop-over-heads",
  idea: "Let 64 threads compute the token's sines and cosines into shared memory for the whole block.",
  options: {
    width: [4, 2, 8],
    trig: ["exp2", "powf", "approx", "half-turns", "double"],
    layout: ["pairs", "arrays", "halves"],
    block: [256, 128, 512, 64],
    tokensPerBlock: [1, 2, 4],
    hint: hints,
    filling: ["first", "all"],
    source: ["shared", "registers"],
    unrolled: [false, true],
  },
  valid: ({ filling, tokensPerBlock }) => filling === "all" || tokensPerBlock === 1,
  count: 26,
  write: ({ width, trig, layout, block, tokensPerBlock, hint, filling, source: reading, unrolled }, sizes) => {
    const { tokens, heads, keyHeads } = shape(sizes);
    const type = packed(width);
    const lanes = 64 / width;
    const all = heads + keyHeads;
    const declare = {
      pairs: "__shared__ float2 angles[TOKENS * 64];",
      arrays: "__shared__ float cosines[TOKENS * 64];\n__shared__ float sines[TOKENS * 64];",
      halves: "__shared__ __half2 angles[TOKENS * 64];",
    }[layout];
    const keep = {
      pairs: "angles[n] = make_float2(c, s);",
      arrays: "cosines[n] = c;\nsines[n] = s;",
      halves: "angles[n] = __floats2half2_rn(c, s);",
    }[layout];
    const cosine = (index: string): string =>
      ({ pairs: `angles[${index}].x`, arrays: `cosines[${index}]`, halves: `__low2float(angles[${index}])` })[layout];
    const sine = (index: string): string =>
      ({ pairs: `angles[${index}].y`, arrays: `sines[${index}]`, halves: `__high2float(angles[${index}])` })[layout];
    const direct = reading === "shared";
    const rotation = rotateText(
      width,
      (pair) => (direct ? cosine(`base + ${pair}`) : `c[${pair}]`),
      (pair) => (direct ? sine(`base + ${pair}`) : `s[${pair}]`),
      unrolled,
    );
    const fetch = `
      float c[${width}], s[${width}];
      #pragma unroll
      for (int e = 0; e < ${width}; ++e) {
        c[e] = ${cosine("base + e")};
        s[e] = ${sine("base + e")};
      }`;
    const fill = `
      const int position = positions[first_token + n / 64];
      float c, s;
      ${trigLines(trig, "position", "n % 64", "c", "s")}
      ${keep}`;
    const source = `
      #include <cuda_fp16.h>
      #define TOKENS ${tokensPerBlock}
      #define LANES ${lanes}
      #define PER_TOKEN ${all * lanes}

      ${signature("rope_block", type, block, true)} {
        ${declare}
        const int first_token = blockIdx.x * TOKENS;
        ${filling === "first" ? `const int n = threadIdx.x;\nif (n < 64) {\n${fill}\n}` : `for (int n = threadIdx.x; n < TOKENS * 64; n += ${block}) {\n${fill}\n}`}
        __syncthreads();
        for (int v = threadIdx.x; v < TOKENS * PER_TOKEN; v += ${block}) {
          const int local = v / PER_TOKEN;
          const int h = v % PER_TOKEN / LANES;
          const int lane = v % LANES;
          const int base = local * 64 + lane * ${width};
          const size_t token = first_token + local;
          const bool query = h < ${heads};
          const size_t at = (query ? token * ${heads} + h : token * ${keyHeads} + h - ${heads}) * (2 * LANES) + lane;
          const ${type}* from = (query ? q : k) + at;
          ${type}* to = (query ? q_out : k_out) + at;
          ${on(!direct, fetch)}
          ${vectorLines(hint, type, "from", "to", lanes, rotation)}
        }
      }
    `;
    return styled(
      { source, launches: [launch("rope_block", tokens / tokensPerBlock, block, everything)] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Products of half pairs. */
export const halfProducts: Template = template({
  id: "half-products",
  from: "loop-over-heads",
  idea: "Round cosines and sines to half precision and rotate pairs of halves with one instruction each.",
  options: {
    form: ["fma", "mul-add", "negate"],
    width: [4, 8, 2],
    trig: ["exp2", "approx", "half-turns", "powf"],
    groups: [8, 4, 16, 32],
    unroll: ["none", "two", "full"],
    hint: hints,
    keyLoop: ["own", "tail"],
    angles: ["registers", "shared"],
    restrict: [true, false],
  },
  valid: ({ width, groups, angles }) =>
    (64 / width) * groups <= 512 && (64 / width) * groups >= (angles === "shared" ? 64 : 32),
  count: 26,
  write: ({ form, width, trig, groups, unroll, hint, keyLoop, angles, restrict }, sizes) => {
    const { tokens, heads, keyHeads } = shape(sizes);
    const type = packed(width);
    const lanes = 64 / width;
    const block = lanes * groups;
    const pragma = { none: "#pragma unroll 1", two: "#pragma unroll 2", full: "#pragma unroll" }[unroll];
    const two = (name: string): string => `
      #pragma unroll
      for (int j = 0; j < ${width / 2}; ++j) {
        float c0, s0, c1, s1;
        ${trigLines(trig, "position", `lane * ${width} + 2 * j`, "c0", "s0")}
        ${trigLines(trig, "position", `lane * ${width} + 2 * j + 1`, "c1", "s1")}
        ${name}
      }`;
    const prepare =
      angles === "registers"
        ? `__half2 c2[${width / 2}], s2[${width / 2}];\n${two("c2[j] = __floats2half2_rn(c0, c1);\ns2[j] = __floats2half2_rn(s0, s1);")}`
        : `
          __shared__ __align__(16) __half cosines[64];
          __shared__ __align__(16) __half sines[64];
          if (threadIdx.x < 64) {
            float c0, s0;
            ${trigLines(trig, "position", "threadIdx.x", "c0", "s0")}
            cosines[threadIdx.x] = __float2half_rn(c0);
            sines[threadIdx.x] = __float2half_rn(s0);
          }
          __syncthreads();
          const __half2* c2 = reinterpret_cast<const __half2*>(cosines) + lane * ${width / 2};
          const __half2* s2 = reinterpret_cast<const __half2*>(sines) + lane * ${width / 2};`;
    const rotation = rotateHalf(
      width,
      form,
      (pair) => `c2[${pair}]`,
      (pair) => `s2[${pair}]`,
    );
    const part = (count: number, from: string, to: string): string => `
      const ${type}* ${from}_row = ${from} + (size_t)token * ${count * 2 * lanes} + lane;
      ${type}* ${to}_row = ${to} + (size_t)token * ${count * 2 * lanes} + lane;
      ${pragma}
      for (int h = ${keyLoop === "tail" && count === keyHeads ? "GROUPS - 1 - group" : "group"}; h < ${count}; h += GROUPS) {
        ${vectorLines(hint, type, `${from}_row + h * (2 * LANES)`, `${to}_row + h * (2 * LANES)`, lanes, rotation)}
      }`;
    const source = `
      #include <cuda_fp16.h>
      enum { LANES = ${lanes}, GROUPS = ${groups} };

      ${signature("rope_half_pairs", type, block, restrict)} {
        const int lane = threadIdx.x % LANES;
        const int group = threadIdx.x / LANES;
        const int token = blockIdx.x;
        const int position = positions[token];
        ${prepare}
        ${part(heads, "q", "q_out")}
        ${part(keyHeads, "k", "k_out")}
      }
    `;
    return styled(
      {
        source,
        launches: [launch("rope_half_pairs", tokens, block, everything)],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** A resident grid: frequencies are computed once per thread. */
export const residentTokens: Template = template({
  id: "resident-tokens",
  from: "loop-over-heads",
  idea: "Keep a resident grid that walks over the tokens, with the frequencies of each thread's pairs in registers.",
  options: {
    width: [8, 4],
    perSm: [4, 2, 1, 8],
    sine: ["exp2", "approx", "half-turns"],
    ahead: ["none", "vectors", "position"],
    order: ["stride", "segment"],
    ratio: [false, true],
    hint: ["plain", "stream", "stores"],
    unrolled: [false, true],
    split: ["select", "pointer-table"],
  },
  valid: ({ width, perSm }) => (width === 8 ? perSm <= 6 : perSm <= 3),
  count: 24,
  write: ({ width, perSm, sine, ahead, order, ratio, hint, unrolled, split }, sizes) => {
    const { tokens, heads, keyHeads } = shape(sizes);
    const type = packed(width);
    const lanes = 64 / width;
    const block = lanes * (heads + keyHeads);
    const rotation = rotateText(
      width,
      (pair) => `c[${pair}]`,
      (pair) => `s[${pair}]`,
      unrolled,
    );
    const stride = order === "stride";
    const vectors = ahead === "vectors";
    const step = stride ? "gridDim.x" : "1";
    const begin = stride ? "blockIdx.x" : "blockIdx.x * share";
    const end = stride ? "TOKENS" : "min(TOKENS, (int)(blockIdx.x + 1) * share)";
    const source = `
      #include <cuda_fp16.h>
      #define TOKENS ${tokens}
      #define LANES ${lanes}

      ${signature("rope_resident", type, block, true)} {
        const int lane = threadIdx.x % LANES;
        const int h = threadIdx.x / LANES;
        ${
          split === "select"
            ? `
              const int pitch = (h < ${heads} ? ${heads} : ${keyHeads}) * 2 * LANES;
              const ${type}* from = h < ${heads} ? q + h * (2 * LANES) + lane : k + (h - ${heads}) * (2 * LANES) + lane;
              ${type}* to = h < ${heads} ? q_out + h * (2 * LANES) + lane : k_out + (h - ${heads}) * (2 * LANES) + lane;`
            : `
              const ${type}* from = q + h * (2 * LANES) + lane;
              ${type}* to = q_out + h * (2 * LANES) + lane;
              int pitch = ${heads * 2 * lanes};
              if (h >= ${heads}) {
                from = k + (h - ${heads}) * (2 * LANES) + lane;
                to = k_out + (h - ${heads}) * (2 * LANES) + lane;
                pitch = ${keyHeads * 2 * lanes};
              }`
        }
        float f[${width}];
        ${on(ratio, `f[0] = ${frequency("exp2", `lane * ${width}`)};`)}
        #pragma unroll
        for (int e = ${ratio ? 1 : 0}; e < ${width}; ++e) f[e] = ${ratio ? "f[e - 1] * 0.865964323f" : frequency("exp2", `lane * ${width} + e`)};
        ${on(!stride, "const int share = (TOKENS + gridDim.x - 1) / gridDim.x;")}
        const int end = ${end};
        int token = ${begin};
        if (token >= end) return;
        ${on(ahead !== "none", "int next_position = positions[token];")}
        ${on(vectors, `${type} next_a = ${get(hint, "from + (size_t)token * pitch")};\n${type} next_b = ${get(hint, `from + (size_t)token * pitch + LANES`)};`)}
        for (; token < end; token += ${step}) {
          const int position = ${ahead === "none" ? "positions[token]" : "next_position"};
          const size_t at = (size_t)token * pitch;
          const ${type} a = ${vectors ? "next_a" : get(hint, "from + at")};
          const ${type} b = ${vectors ? "next_b" : get(hint, "from + at + LANES")};
          ${on(
            ahead !== "none",
            `
              const int later = token + ${step};
              if (later < end) {
                next_position = positions[later];
                ${on(vectors, `next_a = ${get(hint, "from + (size_t)later * pitch")};\nnext_b = ${get(hint, "from + (size_t)later * pitch + LANES")};`)}
              }`,
          )}
          float c[${width}], s[${width}];
          #pragma unroll
          for (int e = 0; e < ${width}; ++e) {
            ${angleLines(sine, "position", "f[e]", "c[e]", "s[e]")}
          }
          ${type} lo, hi;
          ${rotation}
          ${put(hint, "to + at", "lo")}
          ${put(hint, "to + at + LANES", "hi")}
        }
      }
    `;
    return styled(
      { source, launches: [launch("rope_resident", 132 * perSm, block, everything)] },
      { names: "snake", indent: 2 },
    );
  },
});
