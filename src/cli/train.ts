import { buildCommand, buildRouteMap, type Command, type RouteMap } from "@stricli/core";
import { views } from "../evaluate/plan-view.ts";
import type { Spread } from "../train/language-model/answers.ts";
import { jsonFlag, text, type CliContext } from "./context.ts";
import { positive, wholeNumber } from "./flags.ts";
import type { TrainDataFlags, TrainFlags } from "./train-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;
const none = { kind: "tuple", parameters: [] } as const;

/** Parser for a width, or two with a dash between. */
function spread(input: string): Spread {
  const [low = Number.NaN, high = low, ...more] = input.split("-").map(positive);
  if (more.length > 0 || low > high) throw new Error("it must be a number, or the lower and the higher as 0.2-1.6");
  return { low, high };
}

function listSizes(input: string): readonly number[] {
  return input.split(",").map(wholeNumber(1));
}

const dataCommand = buildCommand<TrainDataFlags, [], CliContext>({
  loader: async () => (await import("./train-command.ts")).trainData,
  parameters: {
    positional: none,
    flags: {
      recording: { kind: "parsed", parse: text, brief: "atlas, or a folder", default: "atlas" },
      out: { kind: "parsed", parse: text, brief: "Folder to write", default: "training-data" },
      asked: {
        kind: "parsed",
        parse: text,
        brief:
          "How the model is asked, as after the ? of --forecaster gguf:FILE?…; form=quantiles, form=doublings or form=bins-logprobs",
        default: "form=quantiles&list=2&anchors=2",
      },
      tasks: { ...optionalText, brief: "These tasks only, ids with commas between" },
      device: { ...optionalText, brief: "Device of the recording (default: the one that measured most)" },
      view: { kind: "enum", values: views, brief: "What is known, as in evaluate", default: "start" },
      evidence: { kind: "boolean", brief: "Tell what the compiler said, where recorded", default: true },
      perTask: {
        kind: "parsed",
        parse: wholeNumber(1),
        optional: true,
        brief: "At most so many kernels of each task, drawn by the seed",
      },
      context: { kind: "parsed", parse: wholeNumber(512), brief: "Tokens of the model's context", default: "16384" },
      spread: {
        kind: "parsed",
        parse: spread,
        brief:
          "Half-width of the intervals that are taught, in log2 of the time; as 0.2-1.6: drawn for each kernel, which reinforcement needs",
        default: "0.5",
      },
      draws: {
        kind: "parsed",
        parse: wholeNumber(1),
        brief: "Times that each task is gone through, anew each time",
        default: "1",
      },
      lists: {
        kind: "parsed",
        parse: listSizes,
        optional: true,
        brief: "Kernels of a list, by turns over the draws, as 8,8,2 (default: as --asked has it)",
      },
      seed: { kind: "parsed", parse: wholeNumber(0), brief: "Fixes what is drawn", default: "1" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Write prompts and their answers from a recording, to train a language model with",
    fullDescription:
      "The prompts are those that a forecaster with the same options writes, with sanitised sources; split by family. Kernels whose time no two passes agree on are left out.\n\nExample: kernelcast train data --recording atlas --asked 'form=quantiles&list=2&anchors=2' --out lists",
  },
});

const trainFlags = {
  config: { kind: "parsed", parse: text, brief: "YAML file; docs/reference/train.schema.json says what is in it" },
  python: { ...optionalText, brief: "Python with PyTorch, transformers and peft (default python3)" },
  launcher: {
    ...optionalText,
    brief:
      "Words before the trainer's command, as 'srun --gres=gpu:1'; paths are that machine's, and kernelcast_train must be on its PYTHONPATH",
  },
  json: jsonFlag,
} as const;

function trainerCommand(
  load: () => Promise<(typeof import("./train-command.ts"))["train"]["sft"]>,
  docs: { readonly brief: string; readonly fullDescription: string },
): Command<CliContext> {
  return buildCommand<TrainFlags, [], CliContext>({
    loader: load,
    parameters: { positional: none, flags: trainFlags },
    docs,
  });
}

const sftCommand = trainerCommand(async () => (await import("./train-command.ts")).train.sft, {
  brief: "Supervised fine-tuning: on answers, or on a proper score of the one-token distribution",
  fullDescription:
    "The latest checkpoint of the configuration's folder is gone on from; at the end what is set under export is written.\n\nExample: kernelcast train sft --config examples/train/sft.yaml",
});

const rlCommand = trainerCommand(async () => (await import("./train-command.ts")).train.rl, {
  brief: "Reinforcement learning of written forecasts (GRPO)",
  fullDescription:
    "The latest checkpoint of the configuration's folder is gone on from; at the end what is set under export is written.\n\nExample: kernelcast train rl --config examples/train/rl-crps.yaml",
});

const evalCommand = trainerCommand(async () => (await import("./train-command.ts")).train.eval, {
  brief: "Forecast a split with the trained model, or with the untrained one where there is none",
  fullDescription:
    "Writes forecasts-SPLIT.jsonl into the run's folder, for kernelcast evaluate --forecaster recorded:FILE.\n\nExample: kernelcast train eval --config examples/train/rl-crps.yaml",
});

const exportCommand = trainerCommand(async () => (await import("./train-command.ts")).train.export, {
  brief: "Write an adapter or a GGUF for --forecaster gguf:FILE, merged weights, and a model card",
  fullDescription:
    "What is written is set under export in the configuration: adapter_gguf for --forecaster 'gguf:BASE?adapter=FILE', gguf for --forecaster gguf:FILE.\n\nExample: kernelcast train export --config examples/train/rl-crps.yaml",
});

export const trainRoutes: RouteMap<CliContext> = buildRouteMap<string, CliContext>({
  routes: { data: dataCommand, sft: sftCommand, rl: rlCommand, eval: evalCommand, export: exportCommand },
  docs: { brief: "Train language models to forecast kernels" },
});
