import { defineGenerator } from "./kit/generator.ts";
import { mistakes } from "./gemv-f32/mistakes.ts";
import { blockRows, laneGroups, warpRows } from "./gemv-f32/panels.ts";
import { rowBlock, rowThread, rowWarp } from "./gemv-f32/rows.ts";
import { splitAtomic, splitPartials, stripMarch } from "./gemv-f32/slices.ts";
import { lastBlock, rowQueue } from "./gemv-f32/tickets.ts";
import { asyncRing, sharedVector, turnedTile } from "./gemv-f32/staged.ts";

/** y = A x: who reads a row, where x lives, and how a row's sum comes together. */
export default defineGenerator({
  taskId: "gemv-f32",
  templates: [
    rowThread,
    rowWarp,
    rowBlock,
    laneGroups,
    warpRows,
    blockRows,
    turnedTile,
    sharedVector,
    splitAtomic,
    splitPartials,
    stripMarch,
    lastBlock,
    rowQueue,
    asyncRing,
  ],
  mistakes,
});
