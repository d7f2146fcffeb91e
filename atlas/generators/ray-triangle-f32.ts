import { defineGenerator } from "./kit/generator.ts";
import { bundleLists, groupSpheres, listLaunches } from "./ray-triangle-f32/bounds.ts";
import { mistakes } from "./ray-triangle-f32/mistakes.ts";
import { preparedEdges, preparedPlanes, rayThread, triangleLanes } from "./ray-triangle-f32/pairs.ts";
import { cornerTile, planeTile, splitTriangles } from "./ray-triangle-f32/tiles.ts";

export default defineGenerator({
  taskId: "ray-triangle-f32",
  templates: [
    rayThread,
    preparedEdges,
    preparedPlanes,
    triangleLanes,
    cornerTile,
    planeTile,
    splitTriangles,
    groupSpheres,
    bundleLists,
    listLaunches,
  ],
  mistakes,
});
