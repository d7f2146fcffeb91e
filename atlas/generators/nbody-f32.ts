import { defineGenerator } from "./kit/generator.ts";
import { blockSplit, registerBlocks } from "./nbody-f32/blocked.ts";
import { mistakes } from "./nbody-f32/mistakes.ts";
import { broadcastLoads, sharedTiles, threadBody, warpBodies } from "./nbody-f32/plain.ts";
import { arraysFirst, tilesAhead } from "./nbody-f32/staged.ts";
import { expanded, pairs, shuffled } from "./nbody-f32/traded.ts";

export default defineGenerator({
  taskId: "nbody-f32",
  templates: [
    threadBody,
    sharedTiles,
    warpBodies,
    broadcastLoads,
    registerBlocks,
    blockSplit,
    shuffled,
    pairs,
    expanded,
    tilesAhead,
    arraysFirst,
  ],
  mistakes,
});
