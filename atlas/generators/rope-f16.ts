import { defineGenerator } from "./kit/generator.ts";
import { materialised } from "./rope-f16/materialised.ts";
import { mistakes } from "./rope-f16/mistakes.ts";
import { shuffled, stagedRows, tableLaunch } from "./rope-f16/passes.ts";
import { headThread, packedPairs, pairThread } from "./rope-f16/rows.ts";
import { halfProducts, headsLoop, residentTokens, sharedAngles } from "./rope-f16/tokens.ts";

export default defineGenerator({
  taskId: "rope-f16",
  templates: [
    headThread,
    pairThread,
    packedPairs,
    headsLoop,
    sharedAngles,
    halfProducts,
    residentTokens,
    tableLaunch,
    shuffled,
    stagedRows,
    materialised,
  ],
  mistakes,
});
