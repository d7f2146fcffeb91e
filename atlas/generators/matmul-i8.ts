import { defineGenerator } from "./kit/generator.ts";
import { dotPerThread, wordTile } from "./matmul-i8/dots.ts";
import { packedWords, registerTile } from "./matmul-i8/micro.ts";
import { mistakes } from "./matmul-i8/mistakes.ts";
import { mmaDirect } from "./matmul-i8/mma-direct.ts";
import { mmaRing, mmaStaged } from "./matmul-i8/mma.ts";
import { warpgroup } from "./matmul-i8/warpgroup.ts";
import { halfFragments, slicedFragments } from "./matmul-i8/wmma-slices.ts";
import { fragmentsDirect, fragmentsShared } from "./matmul-i8/wmma.ts";

/** C = A B^T of bytes: four-way dot products, then integer tensor cores through wmma, mma.sync and wgmma. */
export default defineGenerator({
  taskId: "matmul-i8",
  templates: [
    dotPerThread,
    wordTile,
    registerTile,
    packedWords,
    fragmentsDirect,
    fragmentsShared,
    halfFragments,
    slicedFragments,
    mmaDirect,
    mmaStaged,
    mmaRing,
    warpgroup,
  ],
  mistakes,
});
