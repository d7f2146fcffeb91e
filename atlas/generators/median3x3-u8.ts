import { defineGenerator } from "./kit/generator.ts";
import { mistakes } from "./median3x3-u8/mistakes.ts";
import { halfWords, slidingHistogram, sortedPlanes } from "./median3x3-u8/others.ts";
import { networkThread, slidingThread, sortThread } from "./median3x3-u8/pixels.ts";
import { byteTile, wordTile } from "./median3x3-u8/tiles.ts";
import { vectorThread, wordMarch, wordThread } from "./median3x3-u8/words.ts";

export default defineGenerator({
  taskId: "median3x3-u8",
  templates: [
    sortThread,
    networkThread,
    slidingThread,
    byteTile,
    wordThread,
    wordMarch,
    vectorThread,
    wordTile,
    halfWords,
    sortedPlanes,
    slidingHistogram,
  ],
  mistakes,
});
