import { defineGenerator } from "./kit/generator.ts";
import { cellBlock, cellWarp, splitPartners } from "./lennard-jones-f32/cells.ts";
import { atomGroup, atomWarp, warpQueue } from "./lennard-jones-f32/groups.ts";
import { halfPairs, neighbourList } from "./lennard-jones-f32/lists.ts";
import { mistakes } from "./lennard-jones-f32/mistakes.ts";
import { rowStrip } from "./lennard-jones-f32/strips.ts";
import { atomPacked, atomThread, hitMask } from "./lennard-jones-f32/threads.ts";

export default defineGenerator({
  taskId: "lennard-jones-f32",
  templates: [
    atomThread,
    atomPacked,
    neighbourList,
    atomWarp,
    atomGroup,
    cellBlock,
    cellWarp,
    splitPartners,
    halfPairs,
    hitMask,
    warpQueue,
    rowStrip,
  ],
  mistakes,
});
