import { defineGenerator } from "./kit/generator.ts";
import { mistakes } from "./sliding-window-attention-f16/mistakes.ts";
import { mmaRunning } from "./sliding-window-attention-f16/mma.ts";
import { bandPasses } from "./sliding-window-attention-f16/passes.ts";
import { splitWindow } from "./sliding-window-attention-f16/split.ts";
import { dimensionLanes, keyLanes, queryBlock, queryThread } from "./sliding-window-attention-f16/rows.ts";
import { tensorPasses } from "./sliding-window-attention-f16/tensor-passes.ts";
import { keyTile } from "./sliding-window-attention-f16/tiles.ts";
import { registerTile } from "./sliding-window-attention-f16/register-tile.ts";
import { wmmaBand } from "./sliding-window-attention-f16/wmma-band.ts";
import { wmmaOnline } from "./sliding-window-attention-f16/wmma-online.ts";

/** Local causal attention in half precision: a query or a key per thread, bands, tiles, wmma and mma.sync. */
export default defineGenerator({
  taskId: "sliding-window-attention-f16",
  templates: [
    queryThread,
    queryBlock,
    dimensionLanes,
    keyLanes,
    keyTile,
    bandPasses,
    splitWindow,
    registerTile,
    tensorPasses,
    wmmaBand,
    wmmaOnline,
    mmaRunning,
  ],
  mistakes,
});
