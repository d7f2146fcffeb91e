import { buildCommand, type Command } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import { forecasterFlag, forecasterTimeoutFlag, wholeNumber } from "./flags.ts";
import type { ForecastFlags } from "./forecast-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;
const repeatedText = { kind: "parsed", parse: text, variadic: true, default: [] } as const;

export const forecastCommand: Command<CliContext> = buildCommand<ForecastFlags, string[], CliContext>({
  loader: async () => (await import("./forecast-command.ts")).forecast,
  parameters: {
    positional: {
      kind: "array",
      minimum: 2,
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
      launches: { ...optionalText, brief: "YAML file with launches of candidates that have no NAME.launches.yaml" },
      compileOption: { ...repeatedText, brief: "A compile option, as -DBLOCK=128, instead of the seed's" },
      save: { ...optionalText, brief: "File to keep the forecasts in, for --forecaster recorded:FILE" },
      workspace: { kind: "parsed", parse: text, brief: "Folder of the runs", default: ".kernelcast" },
      python: { ...optionalText, brief: "Python on the machine of the compiler (default python3)" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Rank candidates without measuring: how fast, how sure, and why",
    fullDescription:
      "Forecasts how fast each candidate runs on a device and whether it works, relative to measured kernels of the task. Nothing it says is a measurement. Candidates come best first, by expected log runtime when a failure counts as four times the runtime compared with.\n\nExample: kernelcast forecast softmax-f32 my-kernels --device H100",
  },
});
