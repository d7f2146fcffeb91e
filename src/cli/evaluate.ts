import { buildCommand, type Command } from "@stricli/core";
import { splitChoices } from "../evaluate/choose-tasks.ts";
import { answeredBy } from "../evaluate/answered-by.ts";
import { views } from "../evaluate/plan-view.ts";
import { sourceForms } from "../evaluate/sources.ts";
import { jsonFlag, text, type CliContext } from "./context.ts";
import type { EvaluateFlags } from "./evaluate-command.ts";
import { gpuPriceFlag, modelBudgetFlags, wholeNumber } from "./flags.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;

export const evaluateCommand: Command<CliContext> = buildCommand<EvaluateFlags, [], CliContext>({
  loader: async () => (await import("./evaluate-command.ts")).evaluate,
  parameters: {
    positional: { kind: "tuple", parameters: [] },
    flags: {
      forecaster: {
        kind: "parsed",
        parse: text,
        variadic: true,
        default: ["static"],
        brief: "Forecaster to score; give several for paired differences to the first",
      },
      recording: { kind: "parsed", parse: text, brief: "A folder with measured kernels, or atlas", default: "atlas" },
      split: {
        kind: "enum",
        values: splitChoices,
        optional: true,
        brief: "Tasks to score on (default test; all with --tasks, or where the recording has no splits)",
      },
      tasks: { ...optionalText, brief: "Score on these tasks only: ids with commas between" },
      device: {
        ...optionalText,
        brief: "Device of the recording, or part of its name (default: the one with most kernels)",
      },
      view: {
        kind: "enum",
        values: views,
        default: "start",
        brief:
          "What the forecaster knows: start: the seed's time; search: also the time of the kernel's parent and of eight others",
      },
      evidence: {
        kind: "boolean",
        default: true,
        brief: "Give what the compiler said, where recorded; kernels that it refused are not scored then",
      },
      perTask: {
        kind: "parsed",
        parse: wholeNumber(2),
        optional: true,
        brief: "Ask for at most so many kernels of each task, drawn by the seed (default: all)",
      },
      answered: {
        kind: "enum",
        values: answeredBy,
        optional: true,
        brief:
          "Score only the kernels that any, or all, of the forecasters have answered (default: every kernel, the prior in place of what is missing)",
      },
      sources: {
        kind: "enum",
        values: sourceForms,
        default: "raw",
        brief:
          "How kernels are shown: as recorded, without comments and texts (sanitised), also with neutral names (renamed: alike in a task; renamed-alone), or in another layout (reformatted)",
      },
      seed: { kind: "parsed", parse: wholeNumber(0), brief: "Fixes every random draw", default: "1" },
      ...modelBudgetFlags,
      gpuUsdPerHour: gpuPriceFlag,
      workspace: {
        kind: "parsed",
        parse: text,
        brief: "Folder whose store keeps answers of language models",
        default: ".kernelcast",
      },
      out: { ...optionalText, brief: "Folder to write evaluate.html, its plots as SVG and evaluate.json to" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Score forecasters on measured kernels",
    fullDescription:
      "Asks each forecaster for every measured kernel of a recording and scores what it says: order of runtimes, intervals, probabilities, always beside four baselines. Nothing is measured.\n\nExample: kernelcast evaluate --forecaster static --recording atlas --split test",
  },
});
