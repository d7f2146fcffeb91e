import { filterBlock, filterLanes, perOutput } from "./conv2d-f32/direct.ts";
import { mistakes } from "./conv2d-f32/mistakes.ts";
import { channelGroups, outputPasses } from "./conv2d-f32/passes.ts";
import { implicitGemm, unfolded, winograd } from "./conv2d-f32/products.ts";
import { inputTile } from "./conv2d-f32/tiles.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "conv2d-f32",
  templates: [
    perOutput,
    filterLanes,
    channelGroups,
    outputPasses,
    filterBlock,
    inputTile,
    implicitGemm,
    unfolded,
    winograd,
  ],
  mistakes,
});
