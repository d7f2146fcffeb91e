import { defineGenerator } from "./kit/generator.ts";
import { atomics, chunks, passes, tree } from "./reduce-sum-f32/basic.ts";
import { mistakes } from "./reduce-sum-f32/mistakes.ts";
import { staged, stream, tile } from "./reduce-sum-f32/streamed.ts";
import { columns, gridStride, precise } from "./reduce-sum-f32/strided.ts";

export default defineGenerator({
  taskId: "reduce-sum-f32",
  templates: [tree, chunks, atomics, passes, gridStride, columns, precise, tile, stream, staged],
  mistakes,
});
