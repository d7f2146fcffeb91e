import { stageLaunches, threadPerRow, twoLaunches } from "./batched-fft-c32/launches.ts";
import { mistakes } from "./batched-fft-c32/mistakes.ts";
import { registerPasses, rowWalk } from "./batched-fft-c32/registers.ts";
import { denseProducts, sharedPasses, sharedStages } from "./batched-fft-c32/shared.ts";
import { warpButterflies, warpTranspose } from "./batched-fft-c32/warps.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "batched-fft-c32",
  templates: [
    stageLaunches,
    threadPerRow,
    twoLaunches,
    sharedStages,
    sharedPasses,
    denseProducts,
    registerPasses,
    rowWalk,
    warpTranspose,
    warpButterflies,
  ],
  mistakes,
});
