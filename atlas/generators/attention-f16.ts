import { defineGenerator } from "./kit/generator.ts";
import { flashScalar } from "./attention-f16/flash-scalar.ts";
import { mistakes } from "./attention-f16/mistakes.ts";
import { flashMma } from "./attention-f16/mma.ts";
import { splitKeys, threePass } from "./attention-f16/passes.ts";
import { blockPerQuery, threadPerQuery, warpPerQuery } from "./attention-f16/rows.ts";
import { flashWmma, tensorPasses } from "./attention-f16/wmma.ts";

/** Causal attention: from stored score matrices to a register-resident flash kernel. */
export default defineGenerator({
  taskId: "attention-f16",
  templates: [
    threePass,
    threadPerQuery,
    warpPerQuery,
    blockPerQuery,
    splitKeys,
    flashScalar,
    flashWmma,
    tensorPasses,
    flashMma,
  ],
  mistakes,
});
