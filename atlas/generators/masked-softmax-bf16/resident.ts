import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { blockFolds, conversions, laneFolds, shape, weight } from "./parts.ts";

const each = (body: string): string => `#pragma unroll\nfor (int j = 0; j < 8; ++j) ${body}`;

/** A row stays in the registers of a warp or a block between its only read and its only write. */
export const registerRow: Template = template({
  id: "register-row",
  from: "lanes-per-row",
  idea: "Keep the row in registers, so that scores are read only once.",
  options: {
    owner: ["warp", "block"],
    held: ["floats", "words"],
    load: ["guard", "always", "streaming"],
    exp: ["fast", "expf", "exp2"],
    convert: ["intrinsics", "bits"],
    folds: ["xor", "macro"],
    store: ["plain", "streaming"],
    order: ["down", "reversed", "strided"],
    warps: [4, 8, 2, 1],
    kind: ["constexpr", "define", "enum"],
  },
  count: 38,
  write: ({ owner, held, load, exp, convert, folds, store, order, warps, kind }, sizes) => {
    const { heads = 0, seq = 0 } = sizes;
    const warp = owner === "warp";
    const threads = warp ? 32 : warps * 32;
    const rowsPerBlock = warp ? warps : 1;
    const id = warp ? "blockIdx.x * WARPS + threadIdx.x / 32" : "blockIdx.x";
    const place = { down: id, reversed: `ROWS - 1 - (${id})`, strided: `(${id}) % HEADS * SEQ + (${id}) / HEADS` }[
      order
    ];
    const words = held === "words";
    const read = load === "streaming" ? "__ldcs(in + c)" : "in[c]";
    const cover = each("if (8 * c + j >= visible) e[j] = -3.0e38f;");
    const fold = (name: string, v: string): string =>
      warp || warps === 1 ? `warp_${name}(${v})` : `block_${name}(${v})`;
    const loop = (body: string): string => `
      #pragma unroll
      for (int k = 0; k < EACH; ++k) {
        const int c = me + k * THREADS;
        ${words ? `float e[8];\nwiden(raw[k], e);\n${cover}` : "float* e = values[k];"}
        ${body}
      }`;
    const source = `
      #include <cuda_bf16.h>

      ${shape(sizes, kind)}
      #define HEADS ${heads}
      #define WARPS ${warps}
      #define THREADS ${threads}  // per row
      #define EACH (SEQ / 8 / THREADS)
      ${on(!warp, "#define BLOCK THREADS")}

      ${conversions("eight", convert)}
      ${laneFolds(folds)}
      ${on(!warp && warps > 1, blockFolds("every"))}
      extern "C" __global__ void softmax_registers(const uint4* __restrict__ x, const int* __restrict__ lengths, uint4* __restrict__ y) {
        const int me = threadIdx.x % THREADS;
        const int row = ${place};
        const int visible = min(row % SEQ + 1, lengths[row / SEQ]);
        const uint4* in = x + (size_t)row * (SEQ / 8);
        uint4* out = y + (size_t)row * (SEQ / 8);
        ${words ? "uint4 raw[EACH];" : "float values[EACH][8];"}
        #pragma unroll
        for (int k = 0; k < EACH; ++k) {
          const int c = me + k * THREADS;
          ${words ? `${on(load === "guard", "raw[k] = make_uint4(0u, 0u, 0u, 0u);\nif (8 * c < visible) ")}raw[k] = ${read};` : `float* e = values[k];\n${on(load === "guard", "uint4 raw = make_uint4(0u, 0u, 0u, 0u);\nif (8 * c < visible) raw = in[c];\nwiden(raw, e);", `widen(${read}, e);`)}\n${cover}`}
        }
        float top = -3.0e38f;
        ${loop(each("top = fmaxf(top, e[j]);"))}
        top = ${fold("max", "top")};
        float sum = 0.0f;
        ${loop(words ? each(`sum += ${weight(exp, "e[j]", "top")};`) : each(`{\ne[j] = ${weight(exp, "e[j]", "top")};\nsum += e[j];\n}`))}
        sum = ${fold("sum", "sum")};
        const float scale = 1.0f / sum;
        ${loop(`${words ? each(`e[j] = ${weight(exp, "e[j]", "top")} * scale;`) : each("e[j] *= scale;")}\n${store === "streaming" ? "__stcs(out + c, narrow(e));" : "out[c] = narrow(e);"}`)}
      }
    `;
    const launches = [
      launch("softmax_registers", (heads * seq) / rowsPerBlock, warp ? warps * 32 : threads, ["x", "lengths", "y"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** The visible part of a row in shared memory, as floats or as it came. */
export const sharedRow: Template = template({
  id: "shared-row",
  from: "block-per-row",
  idea: "Keep the visible part of the row in shared memory between the passes.",
  options: {
    kept: ["scores", "weights", "raw"],
    folds: ["first", "every", "tree"],
    exp: ["fast", "expf", "exp2"],
    convert: ["intrinsics", "bits"],
    tail: ["separate", "joint"],
    copy: ["words", "vectors"],
    block: [256, 128, 512],
    rows: ["one", "loop"],
    kind: ["define", "constexpr", "enum"],
  },
  count: 30,
  write: ({ kept, folds, exp, convert, tail, copy, block, rows, kind }, sizes) => {
    const { heads = 0, seq = 0 } = sizes;
    const raw = kept === "raw";
    const value = (c: string): string =>
      raw ? `__uint_as_float((unsigned int)row_cells[${c}] << 16)` : `row_cells[${c}]`;
    const per = copy === "vectors" ? 8 : 2;
    const fill = raw
      ? `reinterpret_cast<${per === 8 ? "uint4" : "unsigned int"}*>(row_cells)[c] = in[c];`
      : `float e[${per}];\nwiden(in[c], e);\n#pragma unroll\nfor (int j = 0; j < ${per}; ++j) row_cells[${per} * c + j] = e[j];`;
    const result = kept === "weights" ? "row_cells[k] * scale" : `${weight(exp, value("k"), "top")} * scale`;
    const write = `
      for (int c = threadIdx.x; c < ${tail === "joint" ? `SEQ / ${per}` : `(visible + ${per - 1}) / ${per}`}; c += BLOCK) {
        float e[${per}];
        #pragma unroll
        for (int j = 0; j < ${per}; ++j) {
          const int k = ${per} * c + j;
          e[j] = k < visible ? ${result} : 0.0f;
        }
        out[c] = narrow(e);
      }
      ${on(tail === "separate", `for (int c = (visible + ${per - 1}) / ${per} + threadIdx.x; c < SEQ / ${per}; c += BLOCK) out[c] = ${per === 8 ? "make_uint4(0u, 0u, 0u, 0u)" : "0u"};`)}`;
    const type = per === 8 ? "uint4" : "unsigned int";
    const loop = rows === "loop";
    const source = `
      #include <cuda_bf16.h>

      ${shape(sizes, kind)}
      #define BLOCK ${block}

      ${conversions(per === 8 ? "eight" : "two", convert)}
      ${on(folds !== "tree", laneFolds("macro"))}
      ${blockFolds(folds)}
      extern "C" __global__ void softmax_shared(const ${type}* x, const int* lengths, ${type}* y) {
        __shared__ __align__(16) ${raw ? "unsigned short" : "float"} row_cells[SEQ];
        ${loop ? "for (int row = blockIdx.x; row < ROWS; row += gridDim.x) {\n__syncthreads();" : "const int row = blockIdx.x;\n{"}
          const int visible = min(row % SEQ + 1, lengths[row / SEQ]);
          const ${type}* in = x + (size_t)row * (SEQ / ${per});
          ${type}* out = y + (size_t)row * (SEQ / ${per});
          for (int c = threadIdx.x; c < (visible + ${per - 1}) / ${per}; c += BLOCK) {
            ${fill}
          }
          __syncthreads();
          float top = -3.0e38f;
          for (int k = threadIdx.x; k < visible; k += BLOCK) top = fmaxf(top, ${value("k")});
          top = block_max(top);
          float sum = 0.0f;
          for (int k = threadIdx.x; k < visible; k += BLOCK) {
            const float w = ${weight(exp, value("k"), "top")};
            sum += w;
            ${on(kept === "weights", "row_cells[k] = w;")}
          }
          const float scale = 1.0f / block_sum(sum);
          ${write}
        }
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("softmax_shared", loop ? 132 * (1024 / block) * 2 : heads * seq, block, ["x", "lengths", "y"]),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});
