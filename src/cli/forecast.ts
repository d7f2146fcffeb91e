import { buildCommand, type Command } from "@stricli/core";
import { splitChoices } from "../evaluate/choose-tasks.ts";
import { views } from "../evaluate/plan-view.ts";
import { batchFormats } from "../formats/batch-requests.ts";
import { jsonFlag, text, type CliContext } from "./context.ts";
import { forecasterFlag, forecasterTimeoutFlag, modelBudgetFlags, wholeNumber } from "./flags.ts";
import type { ForecastFlags } from "./forecast-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;
const repeatedText = { kind: "parsed", parse: text, variadic: true, default: [] } as const;

export const forecastCommand: Command<CliContext> = buildCommand<ForecastFlags, string[], CliContext>({
  loader: async () => (await import("./forecast-command.ts")).forecast,
  parameters: {
    positional: {
      kind: "array",
      minimum: 0,
      parameter: {
        brief: "The task (a folder or an id), then candidates: .cu files, folders of them, tables of kernels",
        parse: text,
        placeholder: "task candidates",
      },
    },
    flags: {
      against: {
        ...optionalText,
        brief: "Compare with seed, best, a .cu file or a measured kernel's id (default: the seed)",
      },
      forecaster: forecasterFlag,
      forecasterTimeout: forecasterTimeoutFlag,
      ...modelBudgetFlags,
      device: {
        kind: "parsed",
        parse: text,
        brief: "recorded:PATH[#DEVICE], a device of the atlas (H200), local[:INDEX], ssh:HOST or command:LAUNCHER",
        default: "recorded:atlas",
      },
      anchor: { ...repeatedText, brief: "A measured kernel and its time, as seed=123.4us or old.cu=80us" },
      anchors: {
        ...optionalText,
        brief: "Measured kernels of recorded:PATH[#DEVICE] or run:NAME (default: the device's recording)",
      },
      anchorCount: {
        kind: "parsed",
        parse: wholeNumber(1),
        brief: "Most measured kernels of a recording or run",
        default: "8",
      },
      compile: {
        kind: "boolean",
        brief: "Have a compiler read the candidates first: the device's, or this machine's",
        default: false,
        withNegated: false,
      },
      launches: {
        ...optionalText,
        brief: "YAML file with launches of candidates that have none beside them (NAME.yaml)",
      },
      compileOption: { ...repeatedText, brief: "A compile option, as -DBLOCK=128, instead of the seed's" },
      save: { ...optionalText, brief: "File to keep the forecasts in, for --forecaster recorded:FILE" },
      workspace: {
        kind: "parsed",
        parse: text,
        brief: "Folder of the runs, and of answers of language models",
        default: ".kernelcast",
      },
      python: { ...optionalText, brief: "Python on the machine of the compiler (default python3)" },
      batchOut: {
        ...optionalText,
        brief: "Ask a language model later: write the prompts to a file, or a folder with a text each",
      },
      batchIn: { ...repeatedText, brief: "Answers to such prompts: a file, or a folder with ID.answer.json or .txt" },
      batchFormat: {
        kind: "enum",
        values: batchFormats,
        optional: true,
        brief: "Format of the batch file (default: the provider's of --forecaster, else plain JSON Lines)",
      },
      recording: {
        ...optionalText,
        brief:
          "Forecast the measured kernels of a recording, as evaluate asks for them, instead of a task's candidates",
      },
      split: { kind: "enum", values: splitChoices, optional: true, brief: "Of a recording: tasks (default test)" },
      tasks: { ...optionalText, brief: "Of a recording: these tasks only, ids with commas between" },
      perTask: {
        kind: "parsed",
        parse: wholeNumber(1),
        optional: true,
        brief: "Of a recording: at most so many kernels of each task, drawn by the seed",
      },
      view: {
        kind: "enum",
        values: views,
        optional: true,
        brief: "Of a recording: what the forecaster knows, as in evaluate (default start)",
      },
      evidence: {
        kind: "boolean",
        optional: true,
        brief: "Of a recording: give what the compiler said, where recorded (default: yes)",
      },
      seed: {
        kind: "parsed",
        parse: wholeNumber(0),
        optional: true,
        brief: "Of a recording: fixes what is drawn (default 1)",
      },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Rank candidates without measuring: how fast, how sure, and why",
    fullDescription:
      "Forecasts how fast each candidate runs on a device and whether it works, relative to measured kernels of the task. Nothing it says is a measurement. Candidates come best first, by expected log runtime when a failure counts as four times the runtime compared with.\n\nExample: kernelcast forecast softmax-f32 my-kernels --device H100\n\nLanguage models in batches, which cost half: --batch-out writes their prompts, --batch-in reads the answers; give both to write the prompts that are to be asked again.\nExample: kernelcast forecast --recording atlas --per-task 50 --forecaster anthropic:MODEL --batch-out prompts.json",
  },
});
