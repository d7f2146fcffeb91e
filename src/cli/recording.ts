import { buildCommand, buildRouteMap, type RouteMap } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import { addCommand } from "./recording-add.ts";
import type { CheckFlags, InfoFlags, MergeFlags } from "./recording-command.ts";

const path = {
  brief: "A folder with tasks, kernels and measurements, or atlas",
  parse: text,
  placeholder: "recording",
} as const;

const infoCommand = buildCommand<InfoFlags, [string], CliContext>({
  loader: async () => (await import("./recording-command.ts")).info,
  parameters: { positional: { kind: "tuple", parameters: [path] }, flags: { json: jsonFlag } },
  docs: {
    brief: "Counts of a recording, by device, split and task",
    fullDescription:
      "Counts tasks, kernels and outcomes, and how well two passes agree.\n\nExample: kernelcast recording info atlas",
  },
});

const checkCommand = buildCommand<CheckFlags, [string], CliContext>({
  loader: async () => (await import("./recording-command.ts")).check,
  parameters: {
    positional: { kind: "tuple", parameters: [path] },
    flags: {
      requirements: {
        kind: "enum",
        values: ["none", "atlas"],
        optional: true,
        brief: "Counts to hold; by default the atlas's for the atlas",
      },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Verify a recording: schema, ids, tree, runtimes, splits, leaks, duplicates",
    fullDescription:
      "Exits with 1 when an error is found; warnings do not fail.\n\nExample: kernelcast recording check atlas",
  },
});

const mergeCommand = buildCommand<MergeFlags, string[], CliContext>({
  loader: async () => (await import("./recording-command.ts")).merge,
  parameters: {
    positional: { kind: "array", parameter: path, minimum: 1 },
    flags: { out: { kind: "parsed", parse: text, brief: "Folder to write the sum to" }, json: jsonFlag },
  },
  docs: {
    brief: "Add recordings up, so that several GPU runs make one",
    fullDescription:
      "A second measurement of a kernel on one device becomes its second pass, a further one its third.\n\nExample: kernelcast recording merge run1 run2 --out both",
  },
});

export const recordingRoutes: RouteMap<CliContext> = buildRouteMap<"info" | "check" | "merge" | "add", CliContext>({
  routes: { info: infoCommand, check: checkCommand, merge: mergeCommand, add: addCommand },
  docs: { brief: "Inspect, verify, merge and extend recordings" },
});
