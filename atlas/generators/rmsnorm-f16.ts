import { defineGenerator } from "./kit/generator.ts";
import { blockKept, sharedKept, warpKept } from "./rmsnorm-f16/kept.ts";
import { mistakes } from "./rmsnorm-f16/mistakes.ts";
import { columnPieces, rowsTogether, twoLaunches } from "./rmsnorm-f16/passes.ts";
import { residentWeights, rowRing } from "./rmsnorm-f16/persistent.ts";
import { blockRow, laneGroup, soloRow } from "./rmsnorm-f16/reread.ts";

export default defineGenerator({
  taskId: "rmsnorm-f16",
  templates: [
    soloRow,
    laneGroup,
    blockRow,
    warpKept,
    blockKept,
    sharedKept,
    residentWeights,
    rowRing,
    twoLaunches,
    columnPieces,
    rowsTogether,
  ],
  mistakes,
});
