import { scenarioSplit, warpPerOption } from "./black-scholes-f32/groups.ts";
import { mistakes } from "./black-scholes-f32/mistakes.ts";
import { derivedColumns, pairAtomics, valueMatrix } from "./black-scholes-f32/passes.ts";
import { hoisted, optionPerThread, scenarioTable } from "./black-scholes-f32/threads.ts";
import { bookWalk, cdfTable, sideBySide } from "./black-scholes-f32/walks.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "black-scholes-f32",
  templates: [
    optionPerThread,
    hoisted,
    scenarioTable,
    bookWalk,
    cdfTable,
    sideBySide,
    warpPerOption,
    scenarioSplit,
    pairAtomics,
    valueMatrix,
    derivedColumns,
  ],
  mistakes,
});
