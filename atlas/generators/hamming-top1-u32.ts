import { carrySave, wordPlanes } from "./hamming-top1-u32/adders.ts";
import { laneWords, threadCode, warpQueries } from "./hamming-top1-u32/codes.ts";
import { mistakes } from "./hamming-top1-u32/mistakes.ts";
import { blockQuery, threadQuery } from "./hamming-top1-u32/scans.ts";
import { bitFragments, bitProducts } from "./hamming-top1-u32/tensor.ts";
import { codeTiles, rectangles } from "./hamming-top1-u32/tiles.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "hamming-top1-u32",
  templates: [
    blockQuery,
    threadQuery,
    codeTiles,
    rectangles,
    threadCode,
    warpQueries,
    laneWords,
    wordPlanes,
    carrySave,
    bitProducts,
    bitFragments,
  ],
  mistakes,
});
