import { blockColumn, grid2d, sharedTotals } from "./column-sum-f32/blocks.ts";
import { mistakes } from "./column-sum-f32/mistakes.ts";
import { asyncStrips, folding } from "./column-sum-f32/stages.ts";
import { fullWidth, soloColumn, strips } from "./column-sum-f32/strips.ts";
import { turnedTile, warpUnits } from "./column-sum-f32/warps.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "column-sum-f32",
  templates: [
    soloColumn,
    strips,
    fullWidth,
    grid2d,
    sharedTotals,
    blockColumn,
    folding,
    asyncStrips,
    turnedTile,
    warpUnits,
  ],
  mistakes,
});
