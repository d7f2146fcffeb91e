import { columnMarch, quadMarch, rowWalk } from "./depthwise-conv2d-f32/marches.ts";
import { mistakes } from "./depthwise-conv2d-f32/mistakes.ts";
import { paddedImages, tapPasses } from "./depthwise-conv2d-f32/passes.ts";
import { pixelPerThread, rowStrip } from "./depthwise-conv2d-f32/pixels.ts";
import { rowRing, wholePlane } from "./depthwise-conv2d-f32/planes.ts";
import { sharedTile, tileStrips } from "./depthwise-conv2d-f32/tiles.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "depthwise-conv2d-f32",
  templates: [
    pixelPerThread,
    rowStrip,
    columnMarch,
    quadMarch,
    rowWalk,
    sharedTile,
    tileStrips,
    wholePlane,
    rowRing,
    paddedImages,
    tapPasses,
  ],
  mistakes,
});
