import { defineGenerator } from "./kit/generator.ts";
import { atomicSums, twoLaunches, welford } from "./layernorm-bf16/combined.ts";
import { mistakes } from "./layernorm-bf16/mistakes.ts";
import { persistent, registerRow, ring, sharedRow } from "./layernorm-bf16/resident.ts";
import { blockRow, threadRow, tiles, warpRow } from "./layernorm-bf16/rows.ts";

export default defineGenerator({
  taskId: "layernorm-bf16",
  templates: [
    threadRow,
    warpRow,
    blockRow,
    tiles,
    registerRow,
    persistent,
    sharedRow,
    ring,
    welford,
    twoLaunches,
    atomicSums,
  ],
  mistakes,
});
