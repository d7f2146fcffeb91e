import { mistakes } from "./adamw-step-f32/mistakes.ts";
import { gridStride, ownRuns, perElement, stepPasses } from "./adamw-step-f32/simple.ts";
import { asyncRing, direction, sliced, table } from "./adamw-step-f32/staged.ts";
import { prefetching, segments, vectorBatch, vectorThread } from "./adamw-step-f32/vectors.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "adamw-step-f32",
  templates: [
    stepPasses,
    perElement,
    ownRuns,
    gridStride,
    vectorThread,
    vectorBatch,
    prefetching,
    segments,
    asyncRing,
    sliced,
    direction,
    table,
  ],
  mistakes,
});
