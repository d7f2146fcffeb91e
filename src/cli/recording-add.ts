import { buildCommand, type Command } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import type { AddFlags } from "./recording-add-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;
const listOfTexts = { kind: "parsed", parse: text, variadic: true, default: [] } as const;

function seed(input: string): number {
  if (!/^\d+$/.test(input)) throw new Error("it must be a whole number");
  return Number(input);
}

/** `kernelcast recording add`. */
export const addCommand: Command<CliContext> = buildCommand<AddFlags, [string], CliContext>({
  loader: async () => (await import("./recording-add-command.ts")).add,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ brief: "A recording, or a folder that is to become one", parse: text, placeholder: "recording" }],
    },
    flags: {
      task: { ...optionalText, brief: "Task of the kernels: a folder, or an id" },
      kernels: { ...optionalText, brief: "Folder of .cu files, or a table of kernels (.jsonl, .jsonl.gz, .parquet)" },
      device: { kind: "parsed", parse: text, brief: "local[:INDEX], ssh:HOST or command:LAUNCHER", default: "local" },
      passes: {
        kind: "enum",
        values: ["1", "2"],
        default: "2",
        brief: "Passes; after two, kernels that differ by over 3 % are measured once more",
      },
      pass1: { ...listOfTexts, brief: "Worker output to take as a first pass, instead of measuring" },
      pass2: { ...listOfTexts, brief: "The same, as a second pass" },
      pass3: { ...listOfTexts, brief: "The same, as a third pass" },
      requests: {
        ...optionalText,
        brief: "Folder to write requests to for a worker elsewhere, instead of measuring",
      },
      out: { ...optionalText, brief: "Folder to write the sum to" },
      inPlace: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Replace the tables of a recording that exists",
      },
      launches: {
        ...optionalText,
        brief: "YAML file with launches for kernels without their own (default: the seed's)",
      },
      compileOption: { ...listOfTexts, brief: "A compile option, as -DBLOCK=128, instead of the seed's" },
      split: { kind: "enum", values: ["train", "validation", "test"], optional: true, brief: "Split of a new task" },
      seed: { kind: "parsed", parse: seed, default: "1", brief: "Seed of the order of the kernels" },
      python: { ...optionalText, brief: "Python on the machine of the GPU (default python3)" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Measure kernels of a task and add them to a recording",
    fullDescription:
      "Measures the seed and your kernels in two passes, each in a worker process and an order of its own, and writes them into a new recording or adds them to one. Answers are kept as they come: after Ctrl-C the same command goes on. A folder of kernels may hold NAME.yaml, a list of launches, beside NAME.cu, and parents.jsonl with lines {file, parent}.\n\nExample: kernelcast recording add mine --task tasks/softmax-f32 --kernels my-kernels --device ssh:box",
  },
});
