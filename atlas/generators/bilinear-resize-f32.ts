import { groupThread, patchThread } from "./bilinear-resize-f32/groups.ts";
import { mistakes } from "./bilinear-resize-f32/mistakes.ts";
import { axisPasses, separatedChannels } from "./bilinear-resize-f32/passes.ts";
import { rowStage, sharedStore, tileStage } from "./bilinear-resize-f32/stages.ts";
import { downThread, pixelThread, tableThread, valueThread } from "./bilinear-resize-f32/threads.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "bilinear-resize-f32",
  templates: [
    valueThread,
    pixelThread,
    tableThread,
    downThread,
    groupThread,
    patchThread,
    rowStage,
    tileStage,
    sharedStore,
    axisPasses,
    separatedChannels,
  ],
  mistakes,
});
