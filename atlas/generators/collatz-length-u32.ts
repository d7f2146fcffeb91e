import { busyJumps, severalWalks } from "./collatz-length-u32/groups.ts";
import { mistakes } from "./collatz-length-u32/mistakes.ts";
import { knownEndings, preparedJumps } from "./collatz-length-u32/prepared.ts";
import { survivors, tickets, warpRefill } from "./collatz-length-u32/queues.ts";
import { constantJumps, sharedJumps } from "./collatz-length-u32/tables.ts";
import { narrowWalk, plainWalk, trailingZeros } from "./collatz-length-u32/walks.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "collatz-length-u32",
  templates: [
    plainWalk,
    trailingZeros,
    narrowWalk,
    sharedJumps,
    constantJumps,
    preparedJumps,
    knownEndings,
    warpRefill,
    tickets,
    survivors,
    severalWalks,
    busyJumps,
  ],
  mistakes,
});
