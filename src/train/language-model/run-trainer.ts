import { KernelcastError } from "../../domain/index.ts";
import { readJsonLines, type JsonLine } from "../../process/json-lines.ts";
import { describeExit, startChild, type ChildExit } from "../../process/child.ts";
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
  throw new KernelcastError("model", whyEnded(exit, child.stderrTail()));
}

/** A shell, ssh and srun tell of a signal by a code beyond this. */
const signalCodes = 128;

/** What the trainer says itself comes before what its libraries say; where it was killed neither says why. */
function whyEnded(exit: ChildExit, stderr: string): string {
  const own = stderr.split("\n").findLast((line) => line.startsWith("kernelcast_train: "));
  if (own !== undefined) return lastLine(own) ?? own;
  const isKilled = exit.kind === "killed" || (exit.kind === "exited" && exit.code > signalCodes);
  const said = isKilled ? undefined : lastLine(stderr);
  if (said !== undefined) return said;
  const what = `the trainer ${describeExit(exit)}`;
  if (!isKilled) return what;
  const isForMemory = exit.kind === "killed" ? exit.signal === "SIGKILL" : exit.code === signalCodes + 9;
  const why = isForMemory ? ", as systems do when memory runs out" : "";
  return `${what}${why}; the same command goes on from the latest checkpoint`;
}

function eventOf(line: JsonLine): TrainerEvent | undefined {
  const parsed = line.kind === "value" ? trainerEventSchema.safeParse(line.value) : undefined;
  return parsed?.success ? parsed.data : undefined;
}
