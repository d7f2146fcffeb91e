import { defineGenerator } from "./kit/generator.ts";
import { asyncRing, boxTile } from "./stencil3d-f32/blocks.ts";
import { flat, perCell, rowWalk } from "./stencil3d-f32/cells.ts";
import { planeTile, quadMarch, zMarch } from "./stencil3d-f32/marches.ts";
import { mistakes } from "./stencil3d-f32/mistakes.ts";
import { axisPasses, yStrip } from "./stencil3d-f32/sweeps.ts";

export default defineGenerator({
  taskId: "stencil3d-f32",
  templates: [perCell, flat, rowWalk, zMarch, planeTile, quadMarch, boxTile, asyncRing, yStrip, axisPasses],
  mistakes,
});
