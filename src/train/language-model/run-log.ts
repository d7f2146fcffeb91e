import { median } from "../../domain/index.ts";
import { trainerEventSchema, type TrainerEvent } from "./trainer-events.ts";

type EventOf<Name extends TrainerEvent["event"]> = Extract<TrainerEvent, { readonly event: Name }>;

/** What a run's events tell of it, whether it went through in one or was resumed. */
export interface RunLog {
  readonly start: EventOf<"start"> | undefined;
  /** Prompts of split train that it could draw from. */
  readonly prompts: number | undefined;
  /** Times that it was started: more than one where it was resumed. */
  readonly starts: number;
  /** In order, each once: of a step that was gone through again after a resume the last. */
  readonly steps: readonly EventOf<"step">[];
  /** Judgements while it was trained, of each split and step the last, in the order of steps. */
  readonly judgements: readonly (EventOf<"judge"> & { readonly step: number })[];
  /** Judgements of the end result, by `train eval`: the last of each file of forecasts. */
  readonly evaluations: readonly EventOf<"judge">[];
  readonly isDone: boolean;
  /** Training time that led to the result, of all its devices: what a killed run did after its last checkpoint is not in it. */
  readonly trainingDeviceSeconds: number;
  /** Time of those evaluations, loading the model included. */
  readonly evaluationSeconds: number;
  /** Answers drawn and learned from in a second: median over steps. */
  readonly rolloutsPerSecond: number | undefined;
  /** Most memory of the device that any event tells of. */
  readonly memoryGib: number | undefined;
}

/** Reads events.jsonl. Lines that are no event of the trainer, a torn last line among them, are passed over. */
export function readRunLog(text: string): RunLog {
  const events = text.split("\n").flatMap((line) => parseEvent(line) ?? []);
  const of = <Name extends TrainerEvent["event"]>(name: Name): EventOf<Name>[] =>
    events.filter((one): one is EventOf<Name> => one.event === name);
  const steps = lastOfEach(of("step"), ({ step }) => step).toSorted((a, b) => a.step - b.step);
  const judged = of("judge");
  const start = of("start").at(-1);
  const judgements = judged.flatMap((one) => (isStep(one["step"]) ? [{ ...one, step: one["step"] }] : []));
  const ended = judged.filter((one) => !isStep(one["step"]));
  const evaluations = lastOfEach(ended, ({ split, file }) => (typeof file === "string" ? file : split));
  return {
    start,
    prompts: of("data").findLast(({ split }) => split === "train")?.examples,
    starts: of("start").length,
    steps,
    judgements: lastOfEach(judgements, ({ split, step }) => `${split} ${step}`).toSorted((a, b) => a.step - b.step),
    evaluations,
    isDone: of("done").length > 0,
    trainingDeviceSeconds:
      (start?.processes ?? 1) * (spentSeconds(events) ?? sum(steps.map((one) => one.step_seconds))),
    evaluationSeconds: sum(evaluations.map(({ seconds }) => seconds)),
    rolloutsPerSecond: median(steps.flatMap((one) => rolloutRate(one) ?? [])),
    memoryGib: mostMemory(events),
  };
}

function parseEvent(line: string): TrainerEvent | undefined {
  try {
    return trainerEventSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function isStep(value: unknown): value is number {
  return typeof value === "number";
}

function lastOfEach<T>(all: readonly T[], key: (one: T) => string | number): T[] {
  return [...new Map(all.map((one) => [key(one), one])).values()];
}

function rolloutRate(step: EventOf<"step">): number | undefined {
  const { rollouts, sampling_seconds: sampling, learning_seconds: learning } = step;
  if (!rollouts) return undefined;
  const parts = [sampling, learning].every((one) => typeof one === "number");
  return rollouts / (parts ? Number(sampling) + Number(learning) : step.step_seconds);
}

function spentSeconds(events: readonly TrainerEvent[]): number | undefined {
  const told = events.flatMap((one) => ("spent_seconds" in one ? [one["spent_seconds"]] : []));
  const numbers = told.filter((one) => typeof one === "number");
  return numbers.length > 0 ? Math.max(...numbers) : undefined;
}

/** Names like `memory_gib` and `peak_memory_bytes`. */
function mostMemory(events: readonly TrainerEvent[]): number | undefined {
  const told = events.flatMap((event) =>
    Object.entries(event).flatMap(([name, value]) => {
      if (typeof value !== "number" || !name.includes("memory")) return [];
      return [name.endsWith("bytes") ? value / 2 ** 30 : value];
    }),
  );
  return told.length > 0 ? Math.max(...told) : undefined;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, one) => total + one, 0);
}
