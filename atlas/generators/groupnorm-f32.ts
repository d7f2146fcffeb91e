import { atomics, planes, splitGroups } from "./groupnorm-f32/launches.ts";
import { mistakes } from "./groupnorm-f32/mistakes.ts";
import { channelWarps, threePasses, twoPasses, welford } from "./groupnorm-f32/passes.ts";
import { clusters, partlyKept, registers, sharedGroup } from "./groupnorm-f32/resident.ts";
import { steps } from "./groupnorm-f32/steps.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "groupnorm-f32",
  templates: [
    threePasses,
    twoPasses,
    welford,
    channelWarps,
    registers,
    sharedGroup,
    partlyKept,
    clusters,
    splitGroups,
    atomics,
    planes,
    steps,
  ],
  mistakes,
});
