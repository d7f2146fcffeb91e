import { frequencyLanes, ringMarch, windowRun } from "./dct8x8-f32/marches.ts";
import { mistakes } from "./dct8x8-f32/mistakes.ts";
import { frequencyLaunches, sharedLines, twoLaunches } from "./dct8x8-f32/shared.ts";
import { foldedWindow, pixelTile, planeProducts, productWindow } from "./dct8x8-f32/windows.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "dct8x8-f32",
  templates: [
    productWindow,
    foldedWindow,
    pixelTile,
    planeProducts,
    windowRun,
    ringMarch,
    frequencyLanes,
    sharedLines,
    twoLaunches,
    frequencyLaunches,
  ],
  mistakes,
});
