import { columnRun, lanes, pixelThread } from "./bilateral-filter-f32/direct.ts";
import { mistakes } from "./bilateral-filter-f32/mistakes.ts";
import { paddedImage, rowLaunches, splitWindow } from "./bilateral-filter-f32/passes.ts";
import { laneTables, levelTable } from "./bilateral-filter-f32/tables.ts";
import { quadTile, rimTile, tallTile } from "./bilateral-filter-f32/tiles.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "bilateral-filter-f32",
  templates: [
    pixelThread,
    columnRun,
    lanes,
    rimTile,
    tallTile,
    quadTile,
    levelTable,
    laneTables,
    paddedImage,
    rowLaunches,
    splitWindow,
  ],
  mistakes,
});
