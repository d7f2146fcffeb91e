import { defineGenerator } from "./kit/generator.ts";
import { orderedPoints, sharedTiles, stagedPoints } from "./trilinear-sample-f32/binned.ts";
import { channelThread, pointThread } from "./trilinear-sample-f32/direct.ts";
import { mistakes } from "./trilinear-sample-f32/mistakes.ts";
import { cornerPasses, neighbourPairs } from "./trilinear-sample-f32/passes.ts";
import { channelGroup, channelLanes, channelsLastThread, cornerLanes } from "./trilinear-sample-f32/relaid.ts";

export default defineGenerator({
  taskId: "trilinear-sample-f32",
  templates: [
    pointThread,
    channelThread,
    cornerPasses,
    channelsLastThread,
    channelGroup,
    neighbourPairs,
    channelLanes,
    cornerLanes,
    stagedPoints,
    orderedPoints,
    sharedTiles,
  ],
  mistakes,
});
