import { cellGrid } from "./jacobi2d-f32/cells.ts";
import { columnWalk, quads } from "./jacobi2d-f32/columns.ts";
import { mistakes } from "./jacobi2d-f32/mistakes.ts";
import { twoPasses } from "./jacobi2d-f32/passes.ts";
import { asyncRows } from "./jacobi2d-f32/rows.ts";
import { fusedTile, sharedTile } from "./jacobi2d-f32/tiles.ts";
import { blockWave, registerTile, registerWave } from "./jacobi2d-f32/waves.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "jacobi2d-f32",
  templates: [
    cellGrid,
    twoPasses,
    columnWalk,
    quads,
    sharedTile,
    fusedTile,
    registerWave,
    blockWave,
    registerTile,
    asyncRows,
  ],
  mistakes,
});
