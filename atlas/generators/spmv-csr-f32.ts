import { defineGenerator } from "./kit/generator.ts";
import { mergePath, rowNumbers, warpShares } from "./spmv-csr-f32/balanced.ts";
import { tickets, warpRows } from "./spmv-csr-f32/dynamic.ts";
import { mistakes } from "./spmv-csr-f32/mistakes.ts";
import { binned, productsFirst, streamed } from "./spmv-csr-f32/passes.ts";
import { alignedRows, blockRows, groupRows, threadRows } from "./spmv-csr-f32/rows.ts";

export default defineGenerator({
  taskId: "spmv-csr-f32",
  templates: [
    threadRows,
    groupRows,
    blockRows,
    alignedRows,
    warpShares,
    mergePath,
    rowNumbers,
    streamed,
    binned,
    productsFirst,
    tickets,
    warpRows,
  ],
  mistakes,
});
