import { headBlock, splitChunks } from "./decode-attention-f16/chunks.ts";
import { fragments } from "./decode-attention-f16/fragments.ts";
import { laneGroups, lastBlock } from "./decode-attention-f16/groups.ts";
import { mistakes } from "./decode-attention-f16/mistakes.ts";
import { atomics, passes } from "./decode-attention-f16/passes.ts";
import { asyncRing, bulkRing } from "./decode-attention-f16/rings.ts";
import { keyTiles } from "./decode-attention-f16/staged.ts";
import { warpWalk } from "./decode-attention-f16/warps.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "decode-attention-f16",
  templates: [
    passes,
    atomics,
    headBlock,
    splitChunks,
    warpWalk,
    keyTiles,
    laneGroups,
    lastBlock,
    asyncRing,
    bulkRing,
    fragments,
  ],
  mistakes,
});
