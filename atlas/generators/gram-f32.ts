import { elementSlices, globalTiles } from "./gram-f32/direct.ts";
import { groupedRows, rowTiles } from "./gram-f32/tiles.ts";
import { packedTriangle } from "./gram-f32/triangle.ts";
import { mistakes } from "./gram-f32/mistakes.ts";
import { rowRing, ticketTiles } from "./gram-f32/stream.ts";
import { splitTensor, turnedDots } from "./gram-f32/layouts.ts";
import { tilePairs, warpColumns } from "./gram-f32/warps.ts";
import { defineGenerator } from "./kit/generator.ts";

/** G = X^T X: how the rows are shared out, which part of G a thread sums, and how partial sums meet. */
export default defineGenerator({
  taskId: "gram-f32",
  templates: [
    elementSlices,
    globalTiles,
    rowTiles,
    warpColumns,
    groupedRows,
    packedTriangle,
    tilePairs,
    ticketTiles,
    rowRing,
    turnedDots,
    splitTensor,
  ],
  mistakes,
});
