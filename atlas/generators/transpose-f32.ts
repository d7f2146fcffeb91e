import { defineGenerator } from "./kit/generator.ts";
import { mistakes } from "./transpose-f32/mistakes.ts";
import { persistent, twoPass } from "./transpose-f32/passes.ts";
import { registerBlocks, shuffles } from "./transpose-f32/registers.ts";
import { linear, naive, strips } from "./transpose-f32/simple.ts";
import { classic, swizzled, vectorTile } from "./transpose-f32/tiles.ts";

export default defineGenerator({
  taskId: "transpose-f32",
  templates: [naive, linear, strips, classic, vectorTile, swizzled, registerBlocks, shuffles, persistent, twoPass],
  mistakes,
});
