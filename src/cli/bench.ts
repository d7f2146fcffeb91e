import { buildCommand, buildRouteMap, type RouteMap } from "@stricli/core";
import { splitChoices } from "../evaluate/choose-tasks.ts";
import type { BenchSearchFlags } from "./bench-search-command.ts";
import { jsonFlag, text, type CliContext } from "./context.ts";
import type { BenchTrustFlags } from "./bench-trust-command.ts";
import { forecasterFlag, positive, wholeNumber } from "./flags.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;

const searchCommand = buildCommand<BenchSearchFlags, [], CliContext>({
  loader: async () => (await import("./bench-search-command.ts")).benchSearchCommand,
  parameters: {
    positional: { kind: "tuple", parameters: [] },
    flags: {
      recording: { kind: "parsed", parse: text, brief: "A folder with measured kernels, or atlas", default: "atlas" },
      split: {
        kind: "enum",
        values: splitChoices,
        optional: true,
        brief: "Tasks to search (default test; all with --tasks, or where the recording has no splits)",
      },
      tasks: { ...optionalText, brief: "Search these tasks only: ids with commas between" },
      device: {
        ...optionalText,
        brief: "Device of the recording, or part of its name (default: the one with most kernels)",
      },
      arms: {
        ...optionalText,
        brief:
          "Ways to search, with commas between: names of the table (default all of it), recorded:FILE[#NAME], or POLICY:FORECASTER",
      },
      seeds: { kind: "parsed", parse: wholeNumber(1), brief: "Searches of each arm on each task", default: "20" },
      measurements: {
        kind: "parsed",
        parse: wholeNumber(2),
        brief: "Kernels that a search may measure, the seed kernel included",
        default: "32",
      },
      gpuUsdPerHour: {
        kind: "parsed",
        parse: positive,
        optional: true,
        brief: "Price of the GPU; the USD of a search then count its time",
      },
      jobs: {
        kind: "parsed",
        parse: wholeNumber(1),
        optional: true,
        brief: "Searches that run at once (default: as many as there are cores)",
      },
      workspace: {
        kind: "parsed",
        parse: text,
        brief: "Folder where finished searches are kept",
        default: ".kernelcast",
      },
      out: { ...optionalText, brief: "Folder to write search.json and its plots as SVG to" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Compare ways to search, on a recording",
    fullDescription:
      "Runs every arm on every task with every seed and compares what they find with as many measurements. All arms of a seed see the same stream of proposals. measure-all and oracle, whose forecasts are the recorded truth, are always among them. Nothing is measured. Finished searches are kept: the same command goes on where it was stopped.\n\nArms of the table: measure-all, random-subset, evolutionary, published-gate, static, no-adaptation, ours, oracle-calibration, oracle-adaptation, oracle.\n\nExample: kernelcast bench search --recording atlas --split test --arms random-subset,published-gate,ours --seeds 20",
  },
});

const trustCommand = buildCommand<BenchTrustFlags, [], CliContext>({
  loader: async () => (await import("./bench-trust-command.ts")).benchTrustCommand,
  parameters: {
    positional: { kind: "tuple", parameters: [] },
    flags: {
      histories: {
        kind: "parsed",
        parse: wholeNumber(1),
        brief: "Simulated histories of each figure",
        default: "2000",
      },
      curves: { kind: "boolean", brief: "Power curves, too", default: false, withNegated: false },
      recording: { ...optionalText, brief: "Seal forecasts on this recording's test split, too" },
      forecaster: { ...forecasterFlag, brief: "With --recording: whose forecasts", default: "static" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "How often trust is given and taken wrongly, and how soon rightly",
    fullDescription:
      "Simulates surrogates that are good, mediocre, skip everything, are adversarial or break, under the settings that searches use.\n\nExample: kernelcast bench trust --json",
  },
});

export const benchRoutes: RouteMap<CliContext> = buildRouteMap<"search" | "trust", CliContext>({
  routes: { search: searchCommand, trust: trustCommand },
  docs: { brief: "Compare ways to search; study trust" },
});
