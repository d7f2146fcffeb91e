import { tapLaunches, window2d, windowTile } from "./gaussian-blur-f32/direct.ts";
import { fusedMarch, fusedRuns, fusedTile } from "./gaussian-blur-f32/fused.ts";
import { mistakes } from "./gaussian-blur-f32/mistakes.ts";
import { stagedPasses, twoPasses } from "./gaussian-blur-f32/passes.ts";
import { marchingColumns, registerRuns, transposingPasses } from "./gaussian-blur-f32/strips.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "gaussian-blur-f32",
  templates: [
    window2d,
    windowTile,
    twoPasses,
    stagedPasses,
    registerRuns,
    transposingPasses,
    marchingColumns,
    fusedTile,
    fusedRuns,
    fusedMarch,
    tapLaunches,
  ],
  mistakes,
});
