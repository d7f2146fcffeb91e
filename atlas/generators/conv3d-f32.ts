import { boxTile, channelSplit, partLaunches } from "./conv3d-f32/boxes.ts";
import { channelsLast, paddedVolume } from "./conv3d-f32/copies.ts";
import { depthMarch, planeMarch, quadMarch } from "./conv3d-f32/marches.ts";
import { mistakes } from "./conv3d-f32/mistakes.ts";
import { filterGroup, runBlock, valueThread } from "./conv3d-f32/voxels.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "conv3d-f32",
  templates: [
    valueThread,
    filterGroup,
    runBlock,
    depthMarch,
    planeMarch,
    quadMarch,
    boxTile,
    channelSplit,
    partLaunches,
    channelsLast,
    paddedVolume,
  ],
  mistakes,
});
