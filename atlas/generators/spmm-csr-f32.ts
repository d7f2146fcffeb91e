import { defineGenerator } from "./kit/generator.ts";
import { blockRow, laneGroups, threadRow } from "./spmm-csr-f32/groups.ts";
import { densePanel, drawnRows, listedRows } from "./spmm-csr-f32/lists.ts";
import { mistakes } from "./spmm-csr-f32/mistakes.ts";
import { elementThread, stagedEntries, warpRow, warpShuffle } from "./spmm-csr-f32/rows.ts";
import { entryRuns, ownedEntries } from "./spmm-csr-f32/splits.ts";

export default defineGenerator({
  taskId: "spmm-csr-f32",
  templates: [
    elementThread,
    warpRow,
    warpShuffle,
    stagedEntries,
    laneGroups,
    threadRow,
    blockRow,
    entryRuns,
    ownedEntries,
    listedRows,
    drawnRows,
    densePanel,
  ],
  mistakes,
});
