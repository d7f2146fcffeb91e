import { KernelcastError } from "../domain/index.ts";
import type { View } from "../evaluate/plan-view.ts";
import { exportTrainingData } from "../serve/train/export-training-data.ts";
import { trainModel } from "../serve/train/train-model.ts";
import type { Spread } from "../train/language-model/answers.ts";
import { trainerCommands, type TrainerCommand } from "../train/language-model/run-trainer.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { listed } from "./listed.ts";

export interface TrainDataFlags {
  readonly recording: string;
  readonly out: string;
  readonly asked: string;
  readonly tasks?: string;
  readonly device?: string;
  readonly view: View;
  readonly evidence: boolean;
  readonly perTask?: number;
  readonly context: number;
  readonly spread: Spread;
  readonly draws: number;
  readonly seed: number;
  readonly json: boolean;
}

/** `kernelcast train data`. */
export async function trainData(this: CliContext, flags: TrainDataFlags): Promise<void> {
  const { tasks, context: contextTokens, json, ...rest } = flags;
  const counts = await exportTrainingData({
    ...rest,
    tasks: listed(tasks),
    contextTokens,
    cwd: this.process.cwd(),
  });
  if (json) return printJson(this, { out: flags.out, splits: counts });
  for (const { split, tasks: taskCount, families, examples, kernels } of counts) {
    printLine(this, `${split}: ${examples} prompts for ${kernels} kernels of ${taskCount} tasks, ${families} families`);
  }
}

export interface TrainFlags {
  readonly config: string;
  readonly python?: string;
  readonly launcher?: string;
  readonly json: boolean;
}

type TrainFunction = (this: CliContext, flags: TrainFlags) => Promise<void>;

/** `kernelcast train sft`, `rl`, `eval` and `export`. */
export const train: Readonly<Record<TrainerCommand, TrainFunction>> = Object.fromEntries(
  trainerCommands.map((command) => [command, trainBy(command)]),
) as Record<TrainerCommand, TrainFunction>;

function trainBy(command: TrainerCommand): TrainFunction {
  return async function run(this: CliContext, flags: TrainFlags): Promise<void> {
    const { config, python, launcher, json } = flags;
    const { process, signal } = this;
    const result = await trainModel({
      command,
      config,
      python,
      launcher,
      signal,
      cwd: process.cwd(),
      env: { ...process.env },
      onLine: (line) => (json ? note(this, line) : printLine(this, line)),
    }).catch((cause: unknown) => {
      if (signal.aborted) throw new KernelcastError("interrupted", "interrupted; the same command goes on", { cause });
      throw cause;
    });
    if (json) printJson(this, result);
  };
}
