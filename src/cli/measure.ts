import { buildCommand, type Command } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import type { MeasureFlags } from "./measure-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;

export const measureCommand: Command<CliContext> = buildCommand<MeasureFlags, string[], CliContext>({
  loader: async () => (await import("./measure-command.ts")).measure,
  parameters: {
    positional: {
      kind: "array",
      minimum: 1,
      parameter: {
        brief: "The task (a folder or an id), then CUDA sources to measure beside its seed",
        parse: text,
        placeholder: "task kernel.cu",
      },
    },
    flags: {
      device: { kind: "parsed", parse: text, brief: "local[:INDEX], ssh:HOST or command:LAUNCHER", default: "local" },
      launches: {
        ...optionalText,
        brief:
          "YAML file with a list of launches for all files (default: NAME.yaml beside NAME.cu, else those of the seed)",
      },
      compileOption: {
        kind: "parsed",
        parse: text,
        variadic: true,
        default: [],
        brief: "A compile option, as -DBLOCK=128, instead of the seed's",
      },
      receipts: { ...optionalText, brief: "Folder to keep the receipts in" },
      python: { ...optionalText, brief: "Python on the machine of the GPU (default python3)" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Check and time kernels of a task on a device",
    fullDescription:
      "Screens the seed and each kernel, then confirms each correct one against the seed in alternating blocks. Exit code 1: a kernel failed.\n\nExample: kernelcast measure tasks/softmax-f32 mine.cu --device ssh:box",
  },
});
