import { defineGenerator } from "./kit/generator.ts";
import { mistakes } from "./maxpool2d-f32/mistakes.ts";
import { halfPasses, rimmedImages } from "./maxpool2d-f32/passes.ts";
import { outputThread, rowThread, scatter } from "./maxpool2d-f32/single.ts";
import { rowStream, sharedBand } from "./maxpool2d-f32/tiles.ts";
import { downStrip, downThread, stripThread } from "./maxpool2d-f32/walks.ts";

export default defineGenerator({
  taskId: "maxpool2d-f32",
  templates: [
    outputThread,
    rowThread,
    scatter,
    stripThread,
    downThread,
    downStrip,
    sharedBand,
    rowStream,
    halfPasses,
    rimmedImages,
  ],
  mistakes,
});
