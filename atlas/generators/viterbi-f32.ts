import { defineGenerator } from "./kit/generator.ts";
import { pairedHalfwords } from "./viterbi-f32/halfwords.ts";
import { packedKeys, registerColumns } from "./viterbi-f32/columns.ts";
import { stepLaunches } from "./viterbi-f32/launches.ts";
import { mistakes } from "./viterbi-f32/mistakes.ts";
import { retracedPath } from "./viterbi-f32/retrace.ts";
import { sequencePerThread } from "./viterbi-f32/sequences.ts";
import { splitPredecessors } from "./viterbi-f32/split.ts";
import { sharedTransitions, statePerThread } from "./viterbi-f32/states.ts";
import { sequenceTiles } from "./viterbi-f32/tiles.ts";
import { warpPerSequence } from "./viterbi-f32/warps.ts";

export default defineGenerator({
  taskId: "viterbi-f32",
  templates: [
    statePerThread,
    sequencePerThread,
    stepLaunches,
    sharedTransitions,
    warpPerSequence,
    registerColumns,
    splitPredecessors,
    packedKeys,
    sequenceTiles,
    retracedPath,
    pairedHalfwords,
  ],
  mistakes,
});
