import { defineGenerator } from "./kit/generator.ts";
import { chain, lookBackScan } from "./prefix-sum-i32/chained.ts";
import { chunks, onePerThread } from "./prefix-sum-i32/classic.ts";
import { doubling } from "./prefix-sum-i32/doubling.ts";
import { mistakes } from "./prefix-sum-i32/mistakes.ts";
import { treeSweeps, warpSegments } from "./prefix-sum-i32/segments.ts";
import { reduceThenScan, residentRanges, scanThenAdd } from "./prefix-sum-i32/tiles.ts";

export default defineGenerator({
  taskId: "prefix-sum-i32",
  templates: [
    chunks,
    onePerThread,
    treeSweeps,
    doubling,
    warpSegments,
    scanThenAdd,
    reduceThenScan,
    residentRanges,
    lookBackScan,
    chain,
  ],
  mistakes,
});
