import { bitStrips, bitWords, votedWords } from "./ising-checkerboard-i8/bits.ts";
import { mistakes } from "./ising-checkerboard-i8/mistakes.ts";
import { colourPlanes } from "./ising-checkerboard-i8/planes.ts";
import { groupPerThread, noiseFirst, sitePerThread } from "./ising-checkerboard-i8/sites.ts";
import { tileSteps } from "./ising-checkerboard-i8/tiles.ts";
import { rowMarch, wordPerThread } from "./ising-checkerboard-i8/words.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "ising-checkerboard-i8",
  templates: [
    sitePerThread,
    groupPerThread,
    noiseFirst,
    wordPerThread,
    rowMarch,
    colourPlanes,
    bitWords,
    votedWords,
    bitStrips,
    tileSteps,
  ],
  mistakes,
});
