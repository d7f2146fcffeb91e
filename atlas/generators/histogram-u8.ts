import { registerRuns, tileRing, twoPasses, warpMatch } from "./histogram-u8/combined.ts";
import { binRanges, globalAtomics, sharedAtomics, sharedCopies } from "./histogram-u8/direct.ts";
import { mistakes } from "./histogram-u8/mistakes.ts";
import { threadBytes, threadPerBin, warpPrivate } from "./histogram-u8/private.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "histogram-u8",
  templates: [
    globalAtomics,
    sharedAtomics,
    sharedCopies,
    binRanges,
    warpPrivate,
    threadBytes,
    threadPerBin,
    warpMatch,
    registerRuns,
    twoPasses,
    tileRing,
  ],
  mistakes,
});
