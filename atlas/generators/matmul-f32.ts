import { defineGenerator } from "./kit/generator.ts";
import { asynchronous } from "./matmul-f32/async.ts";
import { mistakes } from "./matmul-f32/mistakes.ts";
import { split, transposed } from "./matmul-f32/passes.ts";
import { pipelined, registerTile } from "./matmul-f32/register.ts";
import { columnStrip, direct, naive, warpDot } from "./matmul-f32/simple.ts";
import { coarse, tiled } from "./matmul-f32/tiled.ts";

/** C = A B in fp32 on the CUDA cores. */
export default defineGenerator({
  taskId: "matmul-f32",
  templates: [
    naive,
    direct,
    warpDot,
    columnStrip,
    tiled,
    coarse,
    registerTile,
    pipelined,
    asynchronous,
    split,
    transposed,
  ],
  mistakes,
});
