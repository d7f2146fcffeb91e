import { KernelcastError } from "../../domain/index.ts";
import { readJsonLines, type JsonLine } from "../../process/json-lines.ts";
import { describeExit, startChild } from "../../process/child.ts";
import { lastLine } from "../../process/last-words.ts";
import { splitWords } from "../../process/shell-words.ts";
import type { TrainingConfig } from "./config.ts";
import { trainerEventSchema, type TrainerEvent } from "./trainer-events.ts";

export const trainerCommands = ["sft", "rl", "eval", "export"] as const;

export type TrainerCommand = (typeof trainerCommands)[number];

export interface TrainerOptions {
  readonly command: TrainerCommand;
  readonly config: TrainingConfig;
  readonly python: string;
  /** Words before the trainer's, which run it elsewhere: `ssh box`, `srun --gres=gpu:1`. */
  readonly launcher?: string | undefined;
  /** Folder that holds the package `kernelcast_train`. */
  readonly packageFolder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent: (event: TrainerEvent) => void;
  /** Told of what the trainer's libraries say. */
  readonly onNote?: (line: string) => void;
}

/** Milliseconds that a trainer has to end by itself. */
const graceMs = 10_000;

/** Runs the trainer to its end. Throws `KernelcastError("model", …)` with its last words where it fails. */
export async function runTrainer(options: TrainerOptions): Promise<readonly TrainerEvent[]> {
  const { command, config, python, launcher = "", packageFolder, env, signal, onNote } = options;
  const words = [...splitWords(launcher), python, "-m", "kernelcast_train.lm", command];
  const PYTHONPATH = [packageFolder, ...(env["PYTHONPATH"] ? [env["PYTHONPATH"]] : [])].join(":");
  const child = startChild({
    argv: words as [string, ...string[]],
    env: { ...env, PYTHONPATH, PYTHONUNBUFFERED: "1" },
    ...(signal ? { signal } : {}),
    graceMs,
  });
  const events: TrainerEvent[] = [];
  readJsonLines(child.stdout, (line) => {
    const event = eventOf(line);
    if (event) events.push(event);
    if (event) options.onEvent(event);
    else if (line.kind === "not_json") onNote?.(line.text);
  });
  child.write(`${JSON.stringify(config)}\n`);
  child.endInput();
  const exit = await child.exited;
  signal?.throwIfAborted();
  if (exit.kind === "exited" && exit.code === 0) return events;
  const said = lastLine(child.stderrTail());
  throw new KernelcastError("model", said === undefined || said === "" ? `the trainer ${describeExit(exit)}` : said);
}

function eventOf(line: JsonLine): TrainerEvent | undefined {
  const parsed = line.kind === "value" ? trainerEventSchema.safeParse(line.value) : undefined;
  return parsed?.success ? parsed.data : undefined;
}
