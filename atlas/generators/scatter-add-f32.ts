import { defineGenerator } from "./kit/generator.ts";
import { buckets } from "./scatter-add-f32/buckets.ts";
import { binRanges, globalCopies } from "./scatter-add-f32/copies.ts";
import { handMade, plainAtomics, threadCache, warpGroups } from "./scatter-add-f32/direct.ts";
import { mistakes } from "./scatter-add-f32/mistakes.ts";
import { hotBins, privateBins } from "./scatter-add-f32/shared.ts";
import { stagedPairs } from "./scatter-add-f32/staged.ts";

export default defineGenerator({
  taskId: "scatter-add-f32",
  templates: [
    plainAtomics,
    privateBins,
    handMade,
    warpGroups,
    threadCache,
    hotBins,
    globalCopies,
    binRanges,
    buckets,
    stagedPairs,
  ],
  mistakes,
});
