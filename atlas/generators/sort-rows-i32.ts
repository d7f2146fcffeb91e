import { defineGenerator } from "./kit/generator.ts";
import { bitSplits } from "./sort-rows-i32/bits.ts";
import { digitPasses, mergeRuns } from "./sort-rows-i32/merges.ts";
import { mistakes } from "./sort-rows-i32/mistakes.ts";
import { bitonicShared, oddEven, stageLaunches } from "./sort-rows-i32/networks.ts";
import { buckets, countGlobal, countShared } from "./sort-rows-i32/ranks.ts";
import { bitonicRegisters, warpRegisters } from "./sort-rows-i32/registers.ts";

export default defineGenerator({
  taskId: "sort-rows-i32",
  templates: [
    countGlobal,
    countShared,
    buckets,
    bitonicShared,
    oddEven,
    stageLaunches,
    bitonicRegisters,
    warpRegisters,
    mergeRuns,
    digitPasses,
    bitSplits,
  ],
  mistakes,
});
