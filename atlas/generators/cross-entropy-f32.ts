import { registerRow, ring } from "./cross-entropy-f32/held.ts";
import { mistakes } from "./cross-entropy-f32/mistakes.ts";
import { blockRow, threadRow, warpRow } from "./cross-entropy-f32/rows.ts";
import { onePass, sharedRow } from "./cross-entropy-f32/single.ts";
import { pivot, splitRow } from "./cross-entropy-f32/split.ts";
import { stages, turnedTiles } from "./cross-entropy-f32/stages.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "cross-entropy-f32",
  templates: [
    threadRow,
    warpRow,
    blockRow,
    onePass,
    sharedRow,
    registerRow,
    ring,
    splitRow,
    pivot,
    stages,
    turnedTiles,
  ],
  mistakes,
});
