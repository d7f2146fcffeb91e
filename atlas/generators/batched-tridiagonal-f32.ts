import { crThenPcr } from "./batched-tridiagonal-f32/cr-pcr.ts";
import { stridedLanes } from "./batched-tridiagonal-f32/lanes.ts";
import { mistakes } from "./batched-tridiagonal-f32/mistakes.ts";
import { asyncChunks, packedLanes } from "./batched-tridiagonal-f32/packed.ts";
import { cyclicReduction, parallelReduction, pcrThenThomas } from "./batched-tridiagonal-f32/reductions.ts";
import { serialThreads, twoEnds } from "./batched-tridiagonal-f32/serial.ts";
import { stagedThreads, turnedSystems } from "./batched-tridiagonal-f32/staged.ts";
import { defineGenerator } from "./kit/generator.ts";

/** Elimination by a thread, by two, by a warp's lanes, and by a block's threads. */
export default defineGenerator({
  taskId: "batched-tridiagonal-f32",
  templates: [
    serialThreads,
    twoEnds,
    turnedSystems,
    stagedThreads,
    parallelReduction,
    cyclicReduction,
    crThenPcr,
    pcrThenThomas,
    stridedLanes,
    packedLanes,
    asyncChunks,
  ],
  mistakes,
});
