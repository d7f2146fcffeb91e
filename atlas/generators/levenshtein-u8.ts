import { defineGenerator } from "./kit/generator.ts";
import { bitColumns, bitPlanes, planesFirst } from "./levenshtein-u8/bits.ts";
import { laneWave, sharedDiagonals } from "./levenshtein-u8/diagonals.ts";
import { mistakes } from "./levenshtein-u8/mistakes.ts";
import { packedPairs } from "./levenshtein-u8/packed.ts";
import { localRows, sharedRows, strips } from "./levenshtein-u8/rows.ts";

export default defineGenerator({
  taskId: "levenshtein-u8",
  templates: [
    localRows,
    sharedRows,
    strips,
    packedPairs,
    laneWave,
    sharedDiagonals,
    bitColumns,
    bitPlanes,
    planesFirst,
  ],
  mistakes,
});
