import { defineGenerator } from "./kit/generator.ts";
import { laneGroups, stretches, threadEntries, warpBatches } from "./sddmm-f32/entries.ts";
import { laneEntries, planes } from "./sddmm-f32/lanes.ts";
import { mistakes } from "./sddmm-f32/mistakes.ts";
import { foldedRows, rowWarps, tickets } from "./sddmm-f32/rows.ts";
import { columnTiles, denseTiles, windows } from "./sddmm-f32/tiles.ts";

/** Products of rows at the places of a sparse pattern: by entry, by row, by tile, or picked from the dense product. */
export default defineGenerator({
  taskId: "sddmm-f32",
  templates: [
    threadEntries,
    laneGroups,
    warpBatches,
    stretches,
    rowWarps,
    foldedRows,
    tickets,
    laneEntries,
    planes,
    windows,
    columnTiles,
    denseTiles,
  ],
  mistakes,
});
