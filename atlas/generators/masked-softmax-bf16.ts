import { defineGenerator } from "./kit/generator.ts";
import { maskFirst, nextRow, pairedRows, statistics } from "./masked-softmax-bf16/launches.ts";
import { mistakes } from "./masked-softmax-bf16/mistakes.ts";
import { registerRow, sharedRow } from "./masked-softmax-bf16/resident.ts";
import { blockRow, laneRow, threadRow } from "./masked-softmax-bf16/rows.ts";

export default defineGenerator({
  taskId: "masked-softmax-bf16",
  templates: [threadRow, laneRow, blockRow, registerRow, sharedRow, statistics, maskFirst, pairedRows, nextRow],
  mistakes,
});
