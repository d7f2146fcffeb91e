import { pooledThread } from "./conv-relu-pool-f32/direct.ts";
import { matrixProduct } from "./conv-relu-pool-f32/gemm.ts";
import { filterLanes, splitChannels } from "./conv-relu-pool-f32/lanes.ts";
import { mistakes } from "./conv-relu-pool-f32/mistakes.ts";
import { channelSweeps, paddedImages, separatePasses } from "./conv-relu-pool-f32/passes.ts";
import { columnStrip, pixelThreads } from "./conv-relu-pool-f32/strips.ts";
import { registerTile, sharedPatch } from "./conv-relu-pool-f32/tiles.ts";
import { sharedWeights } from "./conv-relu-pool-f32/weights.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "conv-relu-pool-f32",
  templates: [
    pooledThread,
    sharedWeights,
    separatePasses,
    channelSweeps,
    paddedImages,
    sharedPatch,
    registerTile,
    columnStrip,
    pixelThreads,
    filterLanes,
    splitChannels,
    matrixProduct,
  ],
  mistakes,
});
