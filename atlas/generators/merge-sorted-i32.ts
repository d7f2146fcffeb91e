import { defineGenerator } from "./kit/generator.ts";
import { laneHeads, serialHeads } from "./merge-sorted-i32/heads.ts";
import { mistakes } from "./merge-sorted-i32/mistakes.ts";
import { networks, registerStart } from "./merge-sorted-i32/networks.ts";
import { pathPasses, sharedPaths, tilePasses } from "./merge-sorted-i32/paths.ts";
import { pairPasses, rankInRuns, sharedRanks } from "./merge-sorted-i32/ranks.ts";

export default defineGenerator({
  taskId: "merge-sorted-i32",
  templates: [
    serialHeads,
    laneHeads,
    rankInRuns,
    pairPasses,
    sharedRanks,
    pathPasses,
    tilePasses,
    sharedPaths,
    networks,
    registerStart,
  ],
  mistakes,
});
