import { defineGenerator } from "./kit/generator.ts";
import { online, splitRow } from "./softmax-f32/combined.ts";
import { mistakes } from "./softmax-f32/mistakes.ts";
import { pipeline, registerRow, sharedRow } from "./softmax-f32/resident.ts";
import { blockRow, threadRow, tiles, warpRow } from "./softmax-f32/rows.ts";
import { steps } from "./softmax-f32/steps.ts";

export default defineGenerator({
  taskId: "softmax-f32",
  templates: [threadRow, warpRow, blockRow, tiles, sharedRow, registerRow, pipeline, online, splitRow, steps],
  mistakes,
});
