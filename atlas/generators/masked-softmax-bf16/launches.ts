import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { accessType, conversions, laneFolds, perAccess, rowPasses, shape, weight, zeroOf } from "./parts.ts";

/** Statistics and results in launches of their own. */
export const statistics: Template = template({
  id: "statistics-first",
  from: "lanes-per-row",
  idea: "Find every row's maximum and sum in one launch and write the results in another that is flat over the matrix.",
  options: {
    passes: ["two", "running"],
    width: ["two", "eight"],
    writer: ["flat", "rows", "stride"],
    layout: ["pairs", "planes"],
    exp: ["fast", "expf", "exp2"],
    convert: ["intrinsics", "bits"],
    folds: ["xor", "macro"],
    block: [256, 128, 512],
    kind: ["define", "constexpr", "enum"],
  },
  count: 30,
  write: ({ passes, width, writer, layout, exp, convert, folds, block, kind }, sizes) => {
    const { heads = 0, seq = 0 } = sizes;
    const per = perAccess[width];
    const type = accessType[width];
    const [top, scale] =
      layout === "pairs" ? ["work[2 * row]", "work[2 * row + 1]"] : ["work[row]", "work[ROWS + row]"];
    const visit = (body: string): string => `
      for (int c = lane; ${per} * c < visible; c += 32) {
        float e[${per}];
        widen(in[c], e);
        #pragma unroll
        for (int j = 0; j < ${per}; ++j) {
          if (${per} * c + j < visible) {
            ${body}
          }
        }
      }`;
    const statistic =
      passes === "two"
        ? `${visit("top = fmaxf(top, e[j]);")}\ntop = warp_max(top);\n${visit(`sum += ${weight(exp, "e[j]", "top")};`)}`
        : `${visit(`const float next = fmaxf(top, e[j]);\nsum = sum * ${weight(exp, "top", "next")} + ${weight(exp, "e[j]", "next")};\ntop = next;`)}
          const float best = warp_max(top);
          sum *= ${weight(exp, "top", "best")};
          top = best;`;
    const place = {
      flat: `const int i = blockIdx.x * ${block} + threadIdx.x;\n{`,
      stride: `for (int i = blockIdx.x * ${block} + threadIdx.x; i < ROWS * (SEQ / ${per}); i += gridDim.x * ${block}) {`,
      rows: `for (int i = blockIdx.x * (SEQ / ${per}) + threadIdx.x; i < (blockIdx.x + 1) * (SEQ / ${per}); i += ${block}) {`,
    }[writer];
    const source = `
      #include <cuda_bf16.h>

      ${shape(sizes, kind)}

      ${conversions(width, convert)}
      ${laneFolds(folds)}
      extern "C" __global__ void row_statistics(const ${type}* __restrict__ x, const int* __restrict__ lengths, float* __restrict__ work) {
        const int lane = threadIdx.x & 31;
        const int row = (blockIdx.x * ${block} + threadIdx.x) / 32;
        const int visible = min(row % SEQ + 1, lengths[row / SEQ]);
        const ${type}* in = x + (size_t)row * (SEQ / ${per});
        float top = -3.0e38f, sum = 0.0f;
        ${statistic}
        sum = warp_sum(sum);
        if (lane == 0) {
          ${top} = top;
          ${scale} = 1.0f / sum;
        }
      }

      extern "C" __global__ void write_results(const ${type}* __restrict__ x, const int* __restrict__ lengths, const float* __restrict__ work, ${type}* __restrict__ y) {
        ${place}
          const int row = i / (SEQ / ${per});
          const int c = i % (SEQ / ${per});
          const int visible = min(row % SEQ + 1, lengths[row / SEQ]);
          if (${per} * c >= visible) {
            y[i] = ${zeroOf[width]};
          } else {
            float e[${per}];
            widen(x[i], e);
            #pragma unroll
            for (int j = 0; j < ${per}; ++j) e[j] = ${per} * c + j < visible ? ${weight(exp, "e[j]", top)} * ${scale} : 0.0f;
            y[i] = narrow(e);
          }
        }
      }
    `;
    const grids = { flat: (heads * seq * seq) / per / block, stride: 132 * 16, rows: heads * seq };
    const launches = [
      launch("row_statistics", (heads * seq * 32) / block, block, ["x", "lengths", "work"]),
      launch("write_results", grids[writer], block, ["x", "lengths", "work", "y"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** The mask as a launch of its own: a masked copy in y, then an ordinary softmax on it in place. */
export const maskFirst: Template = template({
  id: "mask-first",
  from: "lanes-per-row",
  idea: "Apply the mask in a launch of its own, so that the softmax needs to know nothing of it.",
  options: {
    hide: ["copy", "store"],
    width: ["two", "eight", "one"],
    passes: ["three", "running"],
    exp: ["expf", "fast", "exp2"],
    convert: ["intrinsics", "bits"],
    folds: ["xor", "macro"],
    grid: ["flat", "plane"],
    block: [256, 128, 512],
    kind: ["enum", "define", "constexpr"],
  },
  count: 28,
  write: ({ hide, width, passes, exp, convert, folds, grid, block, kind }, sizes) => {
    const { heads = 0, seq = 0 } = sizes;
    const per = perAccess[width];
    const type = accessType[width];
    const inPlace = `
      const int visible = SEQ;
      const ${type}* in = y + (size_t)row * (SEQ / ${per});
      ${type}* out = y + (size_t)row * (SEQ / ${per});`;
    const body = rowPasses({
      width,
      exp,
      passes,
      skip: "stop",
      first: "lane",
      step: "32",
      foldMax: (v) => `warp_max(${v})`,
      foldSum: (v) => `warp_sum(${v})`,
    });
    const place =
      grid === "flat"
        ? `const int i = blockIdx.x * ${block} + threadIdx.x;\nconst int row = i / (SEQ / ${per});\nconst int c = i % (SEQ / ${per});\n{`
        : `const int row = blockIdx.x;\nfor (int c = threadIdx.x; c < SEQ / ${per}; c += ${block}) {\nconst int i = row * (SEQ / ${per}) + c;`;
    const loaded =
      hide === "copy"
        ? "widen(x[i], e);"
        : `if (${per} * c < visible) {\nwiden(x[i], e);\n} else {\nfor (int j = 0; j < ${per}; ++j) e[j] = 0.0f;\n}`;
    const source = `
      #include <cuda_bf16.h>

      ${shape(sizes, kind)}

      ${conversions(width, convert)}
      ${laneFolds(folds)}
      extern "C" __global__ void hide_scores(const ${type}* x, const int* lengths, ${type}* y) {
        ${place}
          const int visible = min(row % SEQ + 1, lengths[row / SEQ]);
          float e[${per}];
          ${loaded}
          #pragma unroll
          for (int j = 0; j < ${per}; ++j) {
            if (${per} * c + j >= visible) e[j] = -3.0e38f;
          }
          y[i] = narrow(e);
        }
      }

      extern "C" __global__ void softmax_in_place(${type}* y) {
        const int lane = threadIdx.x % 32;
        const int row = (blockIdx.x * ${block} + threadIdx.x) / 32;
        ${inPlace}
        ${body}
      }
    `;
    const launches = [
      launch("hide_scores", grid === "flat" ? (heads * seq * seq) / per / block : heads * seq, block, [
        "x",
        "lengths",
        "y",
      ]),
      launch("softmax_in_place", (heads * seq * 32) / block, block, ["y"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** A warp takes a row from the top and the one as far from the bottom, so that all have as much to do. */
export const pairedRows: Template = template({
  id: "paired-rows",
  from: "lanes-per-row",
  idea: "Pair each short row with a long one of the same head, so that all warps have the same work.",
  options: {
    width: ["eight", "two"],
    passes: ["running", "three", "stored"],
    skip: ["stop", "guard"],
    exp: ["fast", "exp2", "expf"],
    convert: ["intrinsics", "bits"],
    folds: ["xor", "macro"],
    pair: ["mirror", "half"],
    grid: ["all", "persistent"],
    block: [128, 256, 64],
    kind: ["constexpr", "define", "enum"],
  },
  count: 30,
  write: ({ width, passes, skip, exp, convert, folds, pair, grid, block, kind }, sizes) => {
    const { heads = 0, seq = 0 } = sizes;
    const per = perAccess[width];
    const type = accessType[width];
    const persistent = grid === "persistent";
    const other = pair === "mirror" ? "SEQ - 1 - place" : "place + SEQ / 2";
    const source = `
      #include <cuda_bf16.h>

      ${shape(sizes, kind)}

      ${conversions(width, convert)}
      ${laneFolds(folds)}
      extern "C" __global__ void softmax_pairs(const ${type}* __restrict__ x, const int* __restrict__ lengths, ${type}* __restrict__ y) {
        const int lane = threadIdx.x & 31;
        ${
          persistent
            ? `for (int id = (blockIdx.x * ${block} + threadIdx.x) / 32; id < ROWS / 2; id += gridDim.x * ${block / 32}) {`
            : `const int id = (blockIdx.x * ${block} + threadIdx.x) / 32;\n{`
        }
          const int head = id / (SEQ / 2);
          const int place = id % (SEQ / 2);
          for (int turn = 0; turn < 2; ++turn) {
            const int query = turn == 0 ? place : ${other};
            const int visible = min(query + 1, lengths[head]);
            const size_t start = ((size_t)head * SEQ + query) * (SEQ / ${per});
            const ${type}* in = x + start;
            ${type}* out = y + start;
            ${rowPasses({ width, exp, passes, skip, first: "lane", step: "32", foldMax: (v) => `warp_max(${v})`, foldSum: (v) => `warp_sum(${v})` })}
          }
        }
      }
    `;
    const blocks = persistent ? 132 * (2048 / block) : (heads * seq * 16) / block;
    return styled(
      { source, launches: [launch("softmax_pairs", blocks, block, ["x", "lengths", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Warps fetch the next row while they work on the one before. */
export const nextRow: Template = template({
  id: "next-row",
  from: "lanes-per-row",
  idea: "Let each warp fetch its next row asynchronously into shared memory while it works on the current one.",
  options: {
    rows: ["strided", "adjacent"],
    fetch: ["visible", "all"],
    exp: ["fast", "exp2", "expf"],
    convert: ["intrinsics", "bits"],
    folds: ["macro", "xor"],
    passes: ["three", "running"],
    skip: ["stop", "guard", "mask"],
    warps: [4, 8, 2],
    kind: ["enum", "constexpr", "define"],
    streaming: [false, true],
  },
  valid: ({ fetch, skip }) => fetch === "all" || skip !== "mask",
  count: 30,
  write: ({ rows, fetch, exp, convert, folds, passes, skip, warps, kind, streaming }, sizes) => {
    const { heads = 0, seq = 0 } = sizes;
    const blocks = 132 * Math.max(1, Math.floor(24 / warps));
    const walkers = blocks * warps;
    const share = Math.ceil((heads * seq) / walkers);
    const body = rowPasses({
      width: "eight",
      exp,
      passes,
      skip,
      first: "lane",
      step: "32",
      foldMax: (v) => `warp_max(${v})`,
      foldSum: (v) => `warp_sum(${v})`,
    });
    const source = `
      #include <cuda_bf16.h>
      #include <cuda_pipeline.h>

      ${shape(sizes, kind)}
      const int WARPS = ${warps};

      ${conversions("eight", convert)}
      ${laneFolds(folds)}
      extern "C" __global__ void softmax_ahead(const uint4* __restrict__ x, const int* __restrict__ lengths, uint4* __restrict__ y) {
        extern __shared__ uint4 lines[];
        const int lane = threadIdx.x % 32;
        const int walker = blockIdx.x * WARPS + threadIdx.x / 32;
        uint4* own = lines + threadIdx.x / 32 * 2 * (SEQ / 8);
        auto fetch = [&](int row, int half_line) {
          ${on(fetch === "visible", "const int visible = min(row % SEQ + 1, lengths[row / SEQ]);")}
          for (int c = lane; c < ${fetch === "visible" ? "(visible + 7) / 8" : "SEQ / 8"}; c += 32) {
            __pipeline_memcpy_async(own + half_line * (SEQ / 8) + c, x + (size_t)row * (SEQ / 8) + c, 16);
          }
        };
        int turn = 0;
        const int begin = ${rows === "adjacent" ? `walker * ${share}` : "walker"};
        const int end = ${rows === "adjacent" ? `min(ROWS + 0, begin + ${share})` : "ROWS"};
        const int step = ${rows === "adjacent" ? "1" : walkers};
        if (begin < end) fetch(begin, 0);
        __pipeline_commit();
        for (int row = begin; row < end; row += step) {
          if (row + step < end) fetch(row + step, turn ^ 1);
          __pipeline_commit();
          __pipeline_wait_prior(1);
          __syncwarp();
          const int visible = min(row % SEQ + 1, lengths[row / SEQ]);
          const uint4* in = own + turn * (SEQ / 8);
          uint4* out = y + (size_t)row * (SEQ / 8);
          ${streaming ? body.replaceAll("out[c] = narrow(e);", "__stcs(out + c, narrow(e));") : body}
          __syncwarp();
          turn ^= 1;
        }
      }
    `;
    return styled(
      { source, launches: [launch("softmax_ahead", blocks, warps * 32, ["x", "lengths", "y"], warps * 2 * seq * 2)] },
      { names: "snake", indent: 4 },
    );
  },
});
