import { bitConstants, blockTree, halfWords } from "./crc32-blocks-u8/linear.ts";
import { mistakes } from "./crc32-blocks-u8/mistakes.ts";
import { interleavedLanes, laneSegments, twoLaunches } from "./crc32-blocks-u8/parallel.ts";
import { byteTable, nibbleTable, serialBits, slicing } from "./crc32-blocks-u8/serial.ts";
import { stagedTiles } from "./crc32-blocks-u8/tiles.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "crc32-blocks-u8",
  templates: [
    serialBits,
    byteTable,
    nibbleTable,
    slicing,
    stagedTiles,
    laneSegments,
    interleavedLanes,
    twoLaunches,
    bitConstants,
    blockTree,
    halfWords,
  ],
  mistakes,
});
