import { mistakes } from "./dequant-gemv-i4/mistakes.ts";
import { blockRow, threadRow, warpRow } from "./dequant-gemv-i4/rows.ts";
import { manyRows, registerVector, sharedVector } from "./dequant-gemv-i4/shared.ts";
import { splitColumns, tables } from "./dequant-gemv-i4/splits.ts";
import { asyncWords, rowTiles } from "./dequant-gemv-i4/staged.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "dequant-gemv-i4",
  templates: [
    threadRow,
    warpRow,
    blockRow,
    rowTiles,
    sharedVector,
    registerVector,
    manyRows,
    splitColumns,
    tables,
    asyncWords,
  ],
  mistakes,
});
