import { defineGenerator } from "./kit/generator.ts";
import { boundFirst, sortedTiles } from "./top-k-rows-f32/bounds.ts";
import { blockLists, networks, splitRows, threadRow, warpLists } from "./top-k-rows-f32/lists.ts";
import { mistakes } from "./top-k-rows-f32/mistakes.ts";
import { radixSelect, repeatedMaximum } from "./top-k-rows-f32/passes.ts";
import { waitingRoom, warpQueue } from "./top-k-rows-f32/queues.ts";

export default defineGenerator({
  taskId: "top-k-rows-f32",
  templates: [
    threadRow,
    warpLists,
    blockLists,
    splitRows,
    networks,
    warpQueue,
    waitingRoom,
    repeatedMaximum,
    radixSelect,
    boundFirst,
    sortedTiles,
  ],
  mistakes,
});
