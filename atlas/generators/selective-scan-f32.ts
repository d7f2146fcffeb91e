import { defineGenerator } from "./kit/generator.ts";
import { blockChunks } from "./selective-scan-f32/block-chunks.ts";
import { channelPerThread, channelStaged } from "./selective-scan-f32/channels.ts";
import { chunkFold, chunkPasses } from "./selective-scan-f32/chunks.ts";
import { stateLanes, stateLanesStaged } from "./selective-scan-f32/lanes.ts";
import { mistakes } from "./selective-scan-f32/mistakes.ts";
import { storedDecays, statePlanes } from "./selective-scan-f32/planes.ts";
import { blockScan, warpScan } from "./selective-scan-f32/scans.ts";

export default defineGenerator({
  taskId: "selective-scan-f32",
  templates: [
    channelPerThread,
    channelStaged,
    stateLanes,
    stateLanesStaged,
    storedDecays,
    statePlanes,
    warpScan,
    blockScan,
    chunkPasses,
    blockChunks,
    chunkFold,
  ],
  mistakes,
});
