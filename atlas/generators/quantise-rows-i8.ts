import { defineGenerator } from "./kit/generator.ts";
import { launchTemplates } from "./quantise-rows-i8/launches.ts";
import { mistakes } from "./quantise-rows-i8/mistakes.ts";
import { residentTemplates } from "./quantise-rows-i8/resident.ts";
import { rowTemplates } from "./quantise-rows-i8/rows.ts";
import { tileTemplates } from "./quantise-rows-i8/tiles.ts";

export default defineGenerator({
  taskId: "quantise-rows-i8",
  templates: [...rowTemplates, ...residentTemplates, ...launchTemplates, ...tileTemplates],
  mistakes,
});
