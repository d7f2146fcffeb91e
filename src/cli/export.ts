import { buildCommand, buildRouteMap, type RouteMap } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import type { ExportT4Flags } from "./export-t4-command.ts";

const t4Command = buildCommand<ExportT4Flags, [string], CliContext>({
  loader: async () => (await import("./export-t4-command.ts")).exportT4,
  parameters: {
    positional: { kind: "tuple", parameters: [{ brief: "A run's id", parse: text, placeholder: "run" }] },
    flags: {
      out: { kind: "parsed", parse: text, brief: "File to write" },
      workspace: { kind: "parsed", parse: text, brief: "Folder of the search's runs", default: ".kernelcast" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Write a run's measured kernels as tuning results in the T4 format",
    fullDescription:
      "Where the kernels are points of one parameter space, their parameters are the configurations; else ids, parents and origins. Kernels that were not measured are left out.\n\nExample: kernelcast export t4 softmax-f32-1a2b3c --out results_T4.json",
  },
});

export const exportRoutes: RouteMap<CliContext> = buildRouteMap<"t4", CliContext>({
  routes: { t4: t4Command },
  docs: { brief: "Write runs in formats of other tools" },
});
