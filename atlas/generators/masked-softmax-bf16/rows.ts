import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { accessType, blockFolds, conversions, laneFolds, perAccess, rowPasses, shape } from "./parts.ts";

const count = ({ heads = 0, seq = 0 }: Readonly<Record<string, number>>): number => heads * seq;

/** A thread per row. */
export const threadRow: Template = template({
  id: "thread-per-row",
  from: null,
  idea: "Keep a thread per row, but read several scores at a time and skip the hidden ones.",
  options: {
    width: ["two", "eight", "one"],
    passes: ["three", "running", "stored"],
    skip: ["stop", "guard", "mask"],
    exp: ["expf", "fast", "exp2"],
    convert: ["intrinsics", "bits"],
    block: [128, 64, 256],
    kind: ["define", "constexpr", "enum"],
  },
  count: 25,
  write: ({ width, passes, skip, exp, convert, block, kind }, sizes) => {
    const same = (v: string): string => v;
    const type = accessType[width];
    const source = `
      #include <cuda_bf16.h>

      ${shape(sizes, kind)}

      ${conversions(width, convert)}
      extern "C" __global__ void softmax_rows(const ${type}* x, const int* lengths, ${type}* y) {
        int row = blockIdx.x * ${block} + threadIdx.x;
        if (row >= ROWS) return;
        int visible = min(row % SEQ + 1, lengths[row / SEQ]);
        const ${type}* in = x + (size_t)row * (SEQ / ${perAccess[width]});
        ${type}* out = y + (size_t)row * (SEQ / ${perAccess[width]});
        ${rowPasses({ width, exp, passes, skip, first: "0", step: "1", foldMax: same, foldSum: same })}
      }
    `;
    return styled(
      { source, launches: [launch("softmax_rows", Math.ceil(count(sizes) / block), block, ["x", "lengths", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A warp, or a few of its lanes, per row. */
export const laneRow: Template = template({
  id: "lanes-per-row",
  from: "thread-per-row",
  idea: "Let the lanes of a warp, or of a part of it, share a row.",
  options: {
    lanes: ["warp", "half", "eight"],
    width: ["eight", "two", "one"],
    passes: ["three", "running", "stored"],
    skip: ["stop", "guard", "mask"],
    exp: ["fast", "expf", "exp2"],
    convert: ["intrinsics", "bits"],
    folds: ["xor", "macro"],
    order: ["down", "reversed"],
    block: [128, 256, 64],
    unroll: [false, true],
    kind: ["constexpr", "define", "enum"],
  },
  count: 36,
  write: ({ lanes, width, passes, skip, exp, convert, folds, order, block, unroll, kind }, sizes) => {
    const per = { warp: 32, half: 16, eight: 8 }[lanes];
    const type = accessType[width];
    const id = `(blockIdx.x * ${block} + threadIdx.x) / LANES`;
    const source = `
      #include <cuda_bf16.h>

      ${shape(sizes, kind)}
      #define LANES ${per}

      ${conversions(width, convert)}
      ${laneFolds(folds, per)}
      extern "C" __global__ void softmax_lanes(const ${type}* __restrict__ x, const int* __restrict__ lengths, ${type}* __restrict__ y) {
        const int lane = threadIdx.x % LANES;
        const int row = ${order === "down" ? id : `ROWS - 1 - ${id}`};
        const int visible = min(row % SEQ + 1, lengths[row / SEQ]);
        const ${type}* in = x + (size_t)row * (SEQ / ${perAccess[width]});
        ${type}* out = y + (size_t)row * (SEQ / ${perAccess[width]});
        ${rowPasses({ width, exp, passes, skip, unroll, first: "lane", step: "LANES", foldMax: (v) => `warp_max(${v})`, foldSum: (v) => `warp_sum(${v})` })}
      }
    `;
    return styled(
      { source, launches: [launch("softmax_lanes", (count(sizes) * per) / block, block, ["x", "lengths", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** A block per row, or persistent blocks. */
export const blockRow: Template = template({
  id: "block-per-row",
  from: "lanes-per-row",
  idea: "Give each row to a block.",
  options: {
    folds: ["every", "first", "tree"],
    width: ["two", "eight", "one"],
    passes: ["three", "running", "stored"],
    skip: ["mask", "stop", "guard"],
    exp: ["expf", "fast", "exp2"],
    convert: ["intrinsics", "bits"],
    rows: ["grid", "plane", "persistent"],
    block: [256, 128, 512],
    kind: ["define", "enum", "constexpr"],
  },
  count: 34,
  write: ({ folds, width, passes, skip, exp, convert, rows, block, kind }, sizes) => {
    const { heads = 0, seq = 0 } = sizes;
    const type = accessType[width];
    const place = {
      grid: "const int row = blockIdx.x;\n{",
      plane: "const int row = blockIdx.y * SEQ + blockIdx.x;\n{",
      persistent: "for (int row = blockIdx.x; row < ROWS; row += gridDim.x) {",
    }[rows];
    const source = `
      #include <cuda_bf16.h>

      ${shape(sizes, kind)}
      #define BLOCK ${block}

      ${conversions(width, convert)}
      ${on(folds !== "tree", laneFolds("xor"))}
      ${blockFolds(folds)}
      extern "C" __global__ void softmax_blocks(const ${type}* __restrict__ x, const int* __restrict__ lengths, ${type}* __restrict__ y) {
        ${place}
          const int visible = min(row % SEQ + 1, lengths[row / SEQ]);
          const ${type}* in = x + (size_t)row * (SEQ / ${perAccess[width]});
          ${type}* out = y + (size_t)row * (SEQ / ${perAccess[width]});
          ${rowPasses({ width, exp, passes, skip, first: "threadIdx.x", step: "BLOCK", foldMax: (v) => `block_max(${v})`, foldSum: (v) => `block_sum(${v})` })}
        }
      }
    `;
    const grids = { grid: heads * seq, plane: [seq, heads] as const, persistent: 132 * (2048 / block) };
    return styled(
      { source, launches: [launch("softmax_blocks", grids[rows], block, ["x", "lengths", "y"])] },
      { names: "snake", indent: 4 },
    );
  },
});
