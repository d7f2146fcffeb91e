import { defineGenerator } from "./kit/generator.ts";
import { bitRegisters, bitSteps, bitTiles, fusedBits } from "./game-of-life-u8/bits.ts";
import { byteWords, cellThread, rowSums } from "./game-of-life-u8/bytes.ts";
import { mistakes } from "./game-of-life-u8/mistakes.ts";
import { nibbles } from "./game-of-life-u8/nibbles.ts";
import { deepTile, sharedTile } from "./game-of-life-u8/tiles.ts";

export default defineGenerator({
  taskId: "game-of-life-u8",
  templates: [
    cellThread,
    byteWords,
    rowSums,
    nibbles,
    sharedTile,
    deepTile,
    bitSteps,
    bitTiles,
    fusedBits,
    bitRegisters,
  ],
  mistakes,
});
