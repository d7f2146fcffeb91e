import { z } from "zod";
import { KernelcastError } from "../../domain/index.ts";
import { describeIssue } from "../load-task.ts";
import { milliseconds, seenValues } from "./cache.ts";
import { failure, outcomeOf, type TunedConfiguration, type TunedSpace } from "./tuned-space.ts";

const resultSchema = z.object({
  configuration: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
  times: z.record(z.string(), z.unknown()),
  invalidity: z.string(),
  measurements: z.array(z.object({ name: z.string(), value: z.unknown(), unit: z.string().nullish() })).nullish(),
});

const resultsSchema = z.object({
  metadata: z.object({ timeunit: z.string().nullish() }).nullish(),
  results: z.array(resultSchema),
});

type Result = z.infer<typeof resultSchema>;

/** Milliseconds in a unit of time, as writers of the format spell them, one of them with an l too few. */
const unitsMs: Readonly<Record<string, number>> = {
  nanoseconds: 1e-6,
  ns: 1e-6,
  microseconds: 1e-3,
  us: 1e-3,
  milliseconds: 1,
  miliseconds: 1,
  ms: 1,
  seconds: 1e3,
  s: 1e3,
};

export function isResults(content: unknown): boolean {
  return typeof content === "object" && content !== null && "results" in content;
}

/** The space of parsed results in the T4 format, which names neither kernel nor device. */
export function toResultsSpace(content: unknown, path: string, notes: readonly string[]): TunedSpace {
  const parsed = resultsSchema.safeParse(content);
  if (!parsed.success) throw new KernelcastError("recording", `${path}: ${describeIssue(parsed.error.issues[0])}`);
  const { metadata, results } = parsed.data;
  const factor = unitMs(metadata?.timeunit, path);
  const names = Object.keys(results[0]?.configuration ?? {});
  const configurations = results.map((result, index) =>
    toConfiguration(result, names, factor, `${path}: results[${index}]`),
  );
  return {
    path,
    parameters: Object.fromEntries(names.map((name) => [name, seenValues(configurations, name)])),
    configurations,
    notes,
  };
}

function unitMs(unit: string | null | undefined, place: string): number {
  const factor = unitsMs[unit?.trim().toLowerCase() || "milliseconds"];
  if (factor !== undefined) return factor;
  throw new KernelcastError(
    "recording",
    `${place}: unknown unit of time "${unit}" (known: ${Object.keys(unitsMs).join(", ")})`,
  );
}

function toConfiguration(result: Result, names: readonly string[], factor: number, place: string): TunedConfiguration {
  const { configuration: values, times } = result;
  const missing = names.find((name) => !(name in values));
  if (missing !== undefined) {
    throw new KernelcastError("recording", `${place}: it has no value of the parameter "${missing}"`);
  }
  return {
    values,
    outcome: toOutcome(result, factor, place),
    ...milliseconds("compileMs", times["compilation"] ?? times["compilation_time"], factor),
    ...milliseconds("benchmarkMs", times["benchmark"] ?? sum(times["runtimes"]), factor),
    ...milliseconds("verificationMs", times["validation"], factor),
    metrics: Object.fromEntries(
      (result.measurements ?? []).flatMap(({ name, value }) =>
        name !== "time" && typeof value === "number" ? [[name, value]] : [],
      ),
    ),
  };
}

function toOutcome(result: Result, factor: number, place: string): TunedConfiguration["outcome"] {
  if (result.invalidity !== "correct") return failure(result.invalidity);
  const time = result.measurements?.find(({ name }) => name === "time");
  if (!time) throw new KernelcastError("recording", `${place}: it has no measurement "time"`);
  const own = time.unit ? unitMs(time.unit, place) : factor;
  const scale = (value: unknown, by: number): unknown => (typeof value === "number" ? value * by : value);
  const { runtimes } = result.times;
  const samples = Array.isArray(runtimes) ? runtimes.map((sample: unknown) => scale(sample, factor)) : [];
  return outcomeOf(scale(time.value, own), samples);
}

function sum(values: unknown): number | undefined {
  if (!Array.isArray(values)) return undefined;
  return values.reduce<number>((total, sample) => total + Number(sample), 0);
}
