import { defineGenerator } from "./kit/generator.ts";
import { asyncRows, equalShares } from "./embedding-bag-f16/balanced.ts";
import { blockBag, rowsPerWarp, slicedTable } from "./embedding-bag-f16/groups.ts";
import { mistakes } from "./embedding-bag-f16/mistakes.ts";
import { tickets, twoTiers } from "./embedding-bag-f16/queues.ts";
import { columnThread, threadBag, warpBag } from "./embedding-bag-f16/walks.ts";

export default defineGenerator({
  taskId: "embedding-bag-f16",
  templates: [
    threadBag,
    columnThread,
    warpBag,
    rowsPerWarp,
    blockBag,
    slicedTable,
    tickets,
    twoTiers,
    equalShares,
    asyncRows,
  ],
  mistakes,
});
