import { buildCommand, type Command } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import { forecasterFlag, forecasterTimeoutFlag, modelBudgetFlags, positive, wholeNumber } from "./flags.ts";
import type { SearchFlags } from "./search-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;
const optionalNumber = { kind: "parsed", parse: positive, optional: true } as const;

export const searchCommand: Command<CliContext> = buildCommand<SearchFlags, [string], CliContext>({
  loader: async () => (await import("./search-command.ts")).search,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        {
          brief: "Task: a folder with a task.yaml, or the id of a task that is shipped or recorded",
          parse: text,
          placeholder: "task",
        },
      ],
    },
    flags: {
      device: {
        kind: "parsed",
        parse: text,
        brief: "recorded:PATH[#DEVICE], local[:INDEX], ssh:HOST or command:LAUNCHER",
        default: "recorded:atlas",
      },
      policy: { kind: "parsed", parse: text, brief: "measure-all, random-subset, top-k or gate", default: "gate" },
      forecaster: { ...forecasterFlag, default: "adapt:static" },
      forecasterTimeout: forecasterTimeoutFlag,
      strongForecaster: {
        ...optionalText,
        brief: "With --policy gate: a stronger forecaster, asked where its answer could change a decision",
      },
      proposer: {
        ...optionalText,
        brief:
          "recorded, tunables, tunables:learn, external[:BATCH], or a language model as in --forecaster, without options; by default the recording's kernels, else the task's tunables",
      },
      proposerRecording: { ...optionalText, brief: "Recording to propose from on a live device" },
      idleTimeout: {
        ...optionalNumber,
        brief: "With --proposer external: seconds without a candidate after which the run ends",
      },
      trust: {
        kind: "parsed",
        parse: text,
        brief:
          "shadow (everything is measured), canary (half of what is left out is audited), live (few audits), or auto: what the forecaster has earned on this device",
        default: "auto",
      },
      ledger: {
        ...optionalText,
        brief: "File that keeps what forecasters earn (default trust.sqlite in the workspace)",
      },
      measurements: {
        kind: "parsed",
        parse: wholeNumber(1),
        optional: true,
        brief: "Kernels to measure at most, the seed included (default 32 when nothing limits)",
      },
      gpuSeconds: { ...optionalNumber, brief: "GPU-seconds to spend at most" },
      cpuSeconds: { ...optionalNumber, brief: "CPU-seconds to spend at most" },
      wallSeconds: { ...optionalNumber, brief: "Seconds to take at most" },
      ...modelBudgetFlags,
      seed: { kind: "parsed", parse: wholeNumber(0), brief: "Fixes every random draw", default: "1" },
      run: { ...optionalText, brief: "Name of the run, to start or to continue" },
      fresh: {
        kind: "boolean",
        brief: "Start anew even when an equal run is unfinished",
        default: false,
        withNegated: false,
      },
      workspace: { kind: "parsed", parse: text, brief: "Folder for runs and reports", default: ".kernelcast" },
      python: { ...optionalText, brief: "Python on the machine of the GPU (default python3)" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Search for a faster kernel",
    fullDescription:
      "Proposes kernels for a task, forecasts them, measures those that matter, and writes a report. Give the same command again to continue a run that was interrupted.\n\nExample: kernelcast search tasks/softmax-f32 --device recorded:atlas --measurements 24 --seed 1",
  },
});
