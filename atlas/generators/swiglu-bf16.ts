import { defineGenerator } from "./kit/generator.ts";
import { mistakes } from "./swiglu-bf16/mistakes.ts";
import { mmaFused } from "./swiglu-bf16/mma.ts";
import { interleavedWeights, splitDepth, transposedWeights, twoPasses } from "./swiglu-bf16/passes.ts";
import { registerTile } from "./swiglu-bf16/register-tile.ts";
import { outputPerThread, sharedTile } from "./swiglu-bf16/scalar.ts";
import { gateThenValue, wmmaDirect, wmmaTiled } from "./swiglu-bf16/wmma.ts";

export default defineGenerator({
  taskId: "swiglu-bf16",
  templates: [
    outputPerThread,
    sharedTile,
    registerTile,
    wmmaDirect,
    wmmaTiled,
    gateThenValue,
    twoPasses,
    splitDepth,
    interleavedWeights,
    transposedWeights,
    mmaFused,
  ],
  mistakes,
});
