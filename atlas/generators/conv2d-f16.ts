import { padded, tapPasses } from "./conv2d-f16/fragments.ts";
import { registerTiles } from "./conv2d-f16/fused.ts";
import { warpgroups } from "./conv2d-f16/groups.ts";
import { halo } from "./conv2d-f16/halo.ts";
import { pipeline } from "./conv2d-f16/instructions.ts";
import { channelLanes } from "./conv2d-f16/lanes.ts";
import { mistakes } from "./conv2d-f16/mistakes.ts";
import { direct, staged } from "./conv2d-f16/scalar.ts";
import { implicitTiles, unfolded } from "./conv2d-f16/tiles.ts";
import { defineGenerator } from "./kit/generator.ts";

/** A channels-last convolution: on ordinary cores, by fragments of a padded copy, by tiles with and without unfolding. */
export default defineGenerator({
  taskId: "conv2d-f16",
  templates: [
    direct,
    channelLanes,
    staged,
    registerTiles,
    padded,
    tapPasses,
    halo,
    unfolded,
    implicitTiles,
    pipeline,
    warpgroups,
  ],
  mistakes,
});
