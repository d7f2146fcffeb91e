/** The configuration of a training run, as people write it. What is left out is as `python/kernelcast_train/lm/config.py` has it. */
import { z } from "zod";
import { rewardNames } from "./rewards.ts";

const count = z.int().min(1);
const share = z.number().min(0);
const path = z.string().min(1);

const lora = z.strictObject({
  rank: count.optional(),
  alpha: z.number().positive().optional(),
  dropout: z.number().min(0).max(0.9).optional(),
  targets: z.array(z.string().min(1)).min(1).optional(),
});

const model = z.strictObject({
  base: path.describe("Folder of safetensors with a tokenizer, or a GGUF file, which is dequantised"),
  adapters: z.array(path).optional().describe("Earlier runs, merged in this order before the training"),
  keep: path.optional().describe("Folder for the weights of a GGUF once they are dequantised, which takes a while"),
  dtype: z.enum(["bfloat16", "float32"]).optional(),
  max_prompt_tokens: count.optional().describe("Longer prompts are left out, and counted"),
  checkpointing: z.boolean().optional().describe("Compute activations again instead of keeping them"),
  lora: lora.optional(),
});

const sft = z.strictObject({
  loss: z
    .enum(["likelihood", "crps", "log"])
    .optional()
    .describe("crps and log: a proper score of the one-token distribution"),
  letter_weight: share.optional(),
  log_weight: share.optional().describe("Of crps: weight of the log score beside it"),
});

const rl = z.strictObject({
  reward: z.enum(rewardNames).optional(),
  group: z.int().min(2).optional().describe("Answers of each prompt"),
  temperature: z.number().positive().optional(),
  max_new_tokens: count.optional(),
  kl: share.optional().describe("Weight of the divergence from the model that training starts from"),
  advantage: z.enum(["group", "mean", "batch"]).optional(),
  credit: z
    .enum(["forecast", "answer"])
    .optional()
    .describe("forecast: each forecast of a list by its own reward; answer: all by the list's"),
  clip: z.number().positive().optional(),
  epochs: count.optional().describe("Updates of each batch of answers"),
  mask_reasoning: z.boolean().optional(),
  sample_batch: count.optional(),
});

const judge = z.strictObject({
  every: z.int().min(0).optional().describe("Steps between judgements; 0: at the end alone"),
  split: z.enum(["train", "validation", "test"]).optional(),
  prompts: count.optional(),
  batch: count.optional(),
  max_new_tokens: count.optional(),
  samples: z
    .int()
    .min(0)
    .optional()
    .describe("Answers drawn for each prompt, whose mixture is judged; 0: the likeliest"),
});

const families = z.strictObject({
  folds: count.optional().describe("Folds that the families of split train are dealt into"),
  take: z.array(z.int().min(0)).min(1).optional().describe("Those to learn from"),
});

const exporting = z.strictObject({
  gguf: z.enum(["q8_0", "f16", "bf16"]).optional(),
  merged: z.boolean().optional(),
  adapter: z
    .boolean()
    .optional()
    .describe("One adapter for the base, in safetensors: model.adapters and what was learned"),
  adapter_gguf: z.boolean().optional().describe("The same as a GGUF, for --forecaster gguf:BASE?adapter=FILE"),
  rank: count.optional().describe("Of that adapter, by least squares; left out: the sum of the ranks, which is exact"),
});

export const trainingConfigSchema: z.ZodObject = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/)
    .optional(),
  data: path.describe("Folder that kernelcast train data wrote"),
  out: path.describe("Folder of the run: events, checkpoints, adapter"),
  model,
  seed: z.int().min(0).optional(),
  processes: count.optional().describe("GPUs of the machine that share each step"),
  steps: count.optional(),
  prompts_per_step: count.optional(),
  rows_per_pass: count.optional().describe("Answers that are learned from at once, as memory allows"),
  learning_rate: z.number().positive().optional(),
  warmup_steps: z.int().min(0).optional(),
  schedule: z.enum(["constant", "linear"]).optional().describe("linear: the rate falls to 0 over the steps"),
  weight_decay: share.optional(),
  clip_norm: z.number().positive().optional(),
  checkpoint_every: count.optional(),
  limit_seconds: share.optional().describe("Keep a checkpoint and stop after so long; the same command goes on"),
  families: families.optional().describe("Learn from some of the families only"),
  sft: sft.optional(),
  rl: rl.optional(),
  judge: judge.optional(),
  export: exporting.optional(),
});

/** What is looked at here; the trainer reads the rest. */
export interface TrainingConfig {
  readonly data: string;
  readonly out: string;
  readonly model: { readonly base: string; readonly keep?: string; readonly adapters?: readonly string[] };
  readonly export?: Readonly<Record<string, unknown>>;
  readonly [setting: string]: unknown;
}

/** The configuration with its paths changed. */
export function withPaths(config: TrainingConfig, change: (path: string) => string): TrainingConfig {
  const { adapters, keep } = config.model;
  return {
    ...config,
    data: change(config.data),
    out: change(config.out),
    model: {
      ...config.model,
      base: change(config.model.base),
      ...(keep === undefined ? {} : { keep: change(keep) }),
      ...(adapters ? { adapters: adapters.map(change) } : {}),
    },
  };
}
