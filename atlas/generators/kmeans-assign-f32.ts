import { defineGenerator } from "./kit/generator.ts";
import { centroidLanes, dimensionLanes, pointBlock } from "./kmeans-assign-f32/lanes.ts";
import { mistakes } from "./kmeans-assign-f32/mistakes.ts";
import { splitTensor } from "./kmeans-assign-f32/tensor.ts";
import { centroidSplit, pointThread, sharedCentroids } from "./kmeans-assign-f32/threads.ts";
import { registerTiles, scoreMatrix } from "./kmeans-assign-f32/tiles.ts";
import { turnedPoints } from "./kmeans-assign-f32/turned.ts";

export default defineGenerator({
  taskId: "kmeans-assign-f32",
  templates: [
    pointThread,
    sharedCentroids,
    centroidSplit,
    centroidLanes,
    dimensionLanes,
    pointBlock,
    registerTiles,
    scoreMatrix,
    turnedPoints,
    splitTensor,
  ],
  mistakes,
});
