import { blockTemplates } from "./batched-cholesky-f32/blocks.ts";
import { laneTemplates } from "./batched-cholesky-f32/lanes.ts";
import { mistakes } from "./batched-cholesky-f32/mistakes.ts";
import { serialTemplates } from "./batched-cholesky-f32/serial.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "batched-cholesky-f32",
  templates: [...serialTemplates, ...laneTemplates, ...blockTemplates],
  mistakes,
});
