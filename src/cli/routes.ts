import type { Command, RouteMap } from "@stricli/core";
import { benchRoutes } from "./bench.ts";
import type { CliContext } from "./context.ts";
import { demoCommand } from "./demo.ts";
import { doctorCommand } from "./doctor.ts";
import { evaluateCommand } from "./evaluate.ts";
import { exportRoutes } from "./export.ts";
import { forecastCommand } from "./forecast.ts";
import { importRoutes } from "./import.ts";
import { initCommand } from "./init.ts";
import { measureCommand } from "./measure.ts";
import { recordingRoutes } from "./recording.ts";
import { searchCommand } from "./search.ts";
import { submitCommand } from "./submit.ts";
import { trainRoutes } from "./train.ts";
import { trustRoutes } from "./trust.ts";

/** The commands by name; each loads its implementation when it runs. */
export const routes: Readonly<Record<string, Command<CliContext> | RouteMap<CliContext>>> = {
  init: initCommand,
  search: searchCommand,
  submit: submitCommand,
  forecast: forecastCommand,
  measure: measureCommand,
  evaluate: evaluateCommand,
  bench: benchRoutes,
  recording: recordingRoutes,
  import: importRoutes,
  export: exportRoutes,
  train: trainRoutes,
  trust: trustRoutes,
  doctor: doctorCommand,
  demo: demoCommand,
};
