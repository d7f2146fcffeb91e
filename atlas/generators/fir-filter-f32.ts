import { outputPerThread, quadDirect, stripPerThread } from "./fir-filter-f32/direct.ts";
import { channelPerLane, tapSplit, warpShuffle } from "./fir-filter-f32/lanes.ts";
import { mistakes } from "./fir-filter-f32/mistakes.ts";
import { asyncStream, inputScatter } from "./fir-filter-f32/streams.ts";
import { sampleTile, sharedTaps } from "./fir-filter-f32/tiles.ts";
import { channelGroups, tileWindows } from "./fir-filter-f32/windows.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "fir-filter-f32",
  templates: [
    outputPerThread,
    stripPerThread,
    quadDirect,
    sharedTaps,
    sampleTile,
    tileWindows,
    channelGroups,
    warpShuffle,
    channelPerLane,
    tapSplit,
    asyncStream,
    inputScatter,
  ],
  mistakes,
});
