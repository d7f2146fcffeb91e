import { halvedThreads } from "./batched-inverse-f32/halves.ts";
import { columnLanes, elementLanes } from "./batched-inverse-f32/lanes.ts";
import { elementThreads, factorColumns } from "./batched-inverse-f32/methods.ts";
import { mistakes } from "./batched-inverse-f32/mistakes.ts";
import { rowLanes, rowRing } from "./batched-inverse-f32/rows.ts";
import { globalThreads, registerThreads, stagedThreads, turnedThreads } from "./batched-inverse-f32/threads.ts";
import { defineGenerator } from "./kit/generator.ts";

/** Inverses of 8 x 8 matrices: by a thread each, by a few lanes, by blocks of four, by factors. */
export default defineGenerator({
  taskId: "batched-inverse-f32",
  templates: [
    globalThreads,
    registerThreads,
    stagedThreads,
    turnedThreads,
    elementThreads,
    rowLanes,
    columnLanes,
    elementLanes,
    halvedThreads,
    factorColumns,
    rowRing,
  ],
  mistakes,
});
