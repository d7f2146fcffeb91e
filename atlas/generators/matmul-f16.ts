import { defineGenerator } from "./kit/generator.ts";
import { mistakes } from "./matmul-f16/mistakes.ts";
import { mmaSync } from "./matmul-f16/mma.ts";
import { converted, dot, registers, tile } from "./matmul-f16/scalar.ts";
import { wgmma } from "./matmul-f16/wgmma.ts";
import { split, wmmaGlobal, wmmaShared } from "./matmul-f16/wmma.ts";

/** C = A B^T in half precision with fp32 sums: CUDA cores, wmma, mma.sync and wgmma. */
export default defineGenerator({
  taskId: "matmul-f16",
  templates: [dot, tile, registers, converted, wmmaGlobal, wmmaShared, split, mmaSync, wgmma],
  mistakes,
});
