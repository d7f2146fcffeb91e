import { defineGenerator } from "./kit/generator.ts";
import { optionGroups, optionLanes, registerWalks } from "./monte-carlo-asian-f32/held.ts";
import { mistakes } from "./monte-carlo-asian-f32/mistakes.ts";
import { pathLoop, pathThread, payoffArray } from "./monte-carlo-asian-f32/paths.ts";
import { sharedWalks, stepLanes, storedNormals } from "./monte-carlo-asian-f32/stored.ts";

export default defineGenerator({
  taskId: "monte-carlo-asian-f32",
  templates: [
    pathThread,
    payoffArray,
    pathLoop,
    storedNormals,
    stepLanes,
    sharedWalks,
    registerWalks,
    optionLanes,
    optionGroups,
  ],
  mistakes,
});
