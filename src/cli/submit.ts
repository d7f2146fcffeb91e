import { buildCommand, type Command } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import { positive } from "./flags.ts";
import type { SubmitFlags } from "./submit-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;
const repeated = { kind: "parsed", parse: text, variadic: true, default: [] } as const;
const toggle = { kind: "boolean", default: false, withNegated: false } as const;

export const submitCommand: Command<CliContext> = buildCommand<SubmitFlags, string[], CliContext>({
  loader: async () => (await import("./submit-command.ts")).submitKernels,
  parameters: {
    positional: {
      kind: "array",
      minimum: 1,
      parameter: {
        brief: "The run's name, then CUDA sources to hand to it",
        parse: text,
        placeholder: "run kernel.cu",
      },
    },
    flags: {
      idea: { ...optionalText, brief: "What is different and why it should be faster" },
      ideas: {
        ...optionalText,
        brief: "JSON Lines {file, parent, idea} for the files, beside them; a parent is a file, seed, null, or an id",
      },
      parent: { ...optionalText, brief: "Id of the run's kernel that it was made from (default: the seed)" },
      launch: {
        ...repeated,
        brief:
          'A launch, in order, as "k<<<ceil_div(n, 256), 256>>>(x, y, n)" (default: NAME.yaml beside NAME.cu, else those of the seed)',
      },
      launches: { ...optionalText, brief: "YAML file with a list of launches, instead, for all files" },
      compileOption: { ...repeated, brief: "A compile option, as -DBLOCK=128, instead of the seed's" },
      partial: {
        ...toggle,
        brief: "Hand in the kernels that can be candidates and tell of the others, rather than none",
      },
      wait: { ...toggle, brief: "Answer when it is known what became of each kernel" },
      timeout: { kind: "parsed", parse: positive, optional: true, brief: "Seconds to wait at most" },
      done: { ...toggle, brief: "No candidates follow: the run ends when it has dealt with all" },
      workspace: { kind: "parsed", parse: text, brief: "Folder of the search's runs", default: ".kernelcast" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Hand kernels to a search that waits for them",
    fullDescription:
      "Hands kernels to a run that was started with --proposer external, all or, with --partial, those that can be candidates. They are kept when the command answers; with --wait it answers with the forecast, the decision and the measurement of each. Exit code 1: the run ended before, --timeout was over, or a kernel was refused.\n\nExample: kernelcast submit my-run faster.cu --idea 'wider loads' --wait --json\nExample: kernelcast submit my-run round1/*.cu --ideas round1/ideas.jsonl --wait --json",
  },
});
