import { defineGenerator } from "./kit/generator.ts";
import { bitPlanes, shiftAnd } from "./substring-search-u8/bits.ts";
import { firstWords, patternPerBlock, placePerThread } from "./substring-search-u8/letters.ts";
import { mistakes } from "./substring-search-u8/mistakes.ts";
import { lanePatterns, packedWindows, packFirst } from "./substring-search-u8/packed.ts";
import { prefixTable, tableChain } from "./substring-search-u8/tables.ts";
import { candidateList, rollingWindow } from "./substring-search-u8/walks.ts";

export default defineGenerator({
  taskId: "substring-search-u8",
  templates: [
    placePerThread,
    patternPerBlock,
    firstWords,
    packedWindows,
    lanePatterns,
    packFirst,
    shiftAnd,
    bitPlanes,
    prefixTable,
    tableChain,
    rollingWindow,
    candidateList,
  ],
  mistakes,
});
