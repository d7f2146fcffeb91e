import { pythonFolder } from "../../measure/worker-package.ts";
import type { TrainingConfig } from "../../train/language-model/config.ts";
import { createTeller } from "../../train/language-model/describe-event.ts";
import { loadTrainingConfig } from "../../train/language-model/load-config.ts";
import { runTrainer, type TrainerCommand, type TrainerOptions } from "../../train/language-model/run-trainer.ts";
import type { TrainerEvent } from "../../train/language-model/trainer-events.ts";

/** What a user asks of `kernelcast train sft`, `rl`, `eval` or `export`. */
export interface TrainModelRequest {
  readonly command: TrainerCommand;
  readonly config: string;
  readonly python?: string | undefined;
  readonly launcher?: string | undefined;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly onLine: (line: string) => void;
}

export interface TrainModelResult {
  readonly command: TrainerCommand;
  readonly out: string;
  readonly events: readonly TrainerEvent[];
}

/** Runs the trainer by a configuration, telling of it line by line; what is trained to its end is exported where the configuration says so. */
export async function trainModel(request: TrainModelRequest): Promise<TrainModelResult> {
  const { command, config: file, python = "python3", launcher, cwd, env, signal, onLine } = request;
  const config = await loadTrainingConfig(file, cwd, launcher !== undefined);
  const tell = createTeller();
  const options: Omit<TrainerOptions, "command"> = {
    config,
    python,
    launcher,
    env,
    signal,
    packageFolder: pythonFolder,
    onEvent: (event) => onLine(tell(event)),
    onNote: onLine,
  };
  const events = await runTrainer({ ...options, command });
  const isTrained = events.some(({ event }) => event === "done");
  const exported = isTrained && hasExport(config) ? await runTrainer({ ...options, command: "export" }) : [];
  return { command, out: config.out, events: [...events, ...exported] };
}

/** A rank alone asks for nothing. */
function hasExport({ export: settings = {} }: TrainingConfig): boolean {
  return Object.entries(settings).some(([name, value]) => name !== "rank" && Boolean(value));
}
