import { asyncMatrices, depthSlices, fewRows } from "./batched-matmul-f32/flow.ts";
import { mistakes } from "./batched-matmul-f32/mistakes.ts";
import { elementThreads, globalBlocks, rowThreads } from "./batched-matmul-f32/plain.ts";
import { sharedMatrices, tileBlocks, warpMatrices } from "./batched-matmul-f32/shared-memory.ts";
import { splitTensor, turnedFirst } from "./batched-matmul-f32/tensor.ts";
import { defineGenerator } from "./kit/generator.ts";

/** Many 64 x 64 products: who computes which part of a matrix, and how the operands reach it. */
export default defineGenerator({
  taskId: "batched-matmul-f32",
  templates: [
    elementThreads,
    rowThreads,
    globalBlocks,
    tileBlocks,
    sharedMatrices,
    fewRows,
    warpMatrices,
    depthSlices,
    asyncMatrices,
    turnedFirst,
    splitTensor,
  ],
  mistakes,
});
