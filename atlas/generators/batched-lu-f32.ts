import { blockRegisters, blockShared, stepLaunches } from "./batched-lu-f32/blocks.ts";
import { rowGroups } from "./batched-lu-f32/groups.ts";
import { mistakes } from "./batched-lu-f32/mistakes.ts";
import { columnRegisters, rowBroadcast, rowRegisters } from "./batched-lu-f32/registers.ts";
import { interleaved, threadGlobal, threadLocal } from "./batched-lu-f32/threads.ts";
import { leftLooking, panels, tileColumns, tileRows } from "./batched-lu-f32/tiles.ts";
import { defineGenerator } from "./kit/generator.ts";

/** LU with partial pivoting of many 32 x 32 matrices: a thread, a warp or a block each; rows moved or left in place. */
export default defineGenerator({
  taskId: "batched-lu-f32",
  templates: [
    threadGlobal,
    threadLocal,
    interleaved,
    stepLaunches,
    blockShared,
    blockRegisters,
    tileRows,
    tileColumns,
    leftLooking,
    panels,
    rowRegisters,
    rowBroadcast,
    rowGroups,
    columnRegisters,
  ],
  mistakes,
});
