import { z } from "zod";
import { KernelcastError } from "../../domain/index.ts";
import { describeIssue } from "../load-task.ts";
import { failure, outcomeOf, type TunedConfiguration, type TunedSpace, type TunedValue } from "./tuned-space.ts";

const value = z.union([z.number(), z.string(), z.boolean()]);

const cacheSchema = z.object({
  device_name: z.string().nullish(),
  kernel_name: z.string().nullish(),
  problem_size: z.unknown(),
  tune_params_keys: z.array(z.string()).min(1),
  tune_params: z.record(z.string(), z.array(value)).nullish(),
  cache: z.record(z.string(), z.record(z.string(), z.unknown())),
});

type CacheFile = z.infer<typeof cacheSchema>;
type Entry = Readonly<Record<string, unknown>>;

/** Members of an entry that are neither parameters nor metrics. */
const ownMembers = new Set([
  "time",
  "times",
  "compile_time",
  "verification_time",
  "benchmark_time",
  "strategy_time",
  "framework_time",
  "timestamp",
  "__error__",
]);

export function isCache(content: unknown): boolean {
  return typeof content === "object" && content !== null && "cache" in content;
}

/** The space of a parsed cache file. */
export function toCachedSpace(content: unknown, path: string, notes: readonly string[]): TunedSpace {
  const parsed = cacheSchema.safeParse(content);
  if (!parsed.success) {
    throw new KernelcastError("recording", `${path}: ${describeIssue(parsed.error.issues[0])}`);
  }
  const file = parsed.data;
  const configurations = Object.entries(file.cache).map(([key, entry]) => toConfiguration(file, key, entry, path));
  const problemSize = toProblemSize(file.problem_size);
  return {
    path,
    ...(file.kernel_name ? { kernelName: file.kernel_name } : {}),
    ...(file.device_name ? { deviceName: file.device_name } : {}),
    ...(problemSize ? { problemSize } : {}),
    parameters: Object.fromEntries(
      file.tune_params_keys.map((name) => [name, file.tune_params?.[name] ?? seenValues(configurations, name)]),
    ),
    configurations,
    notes,
  };
}

/** The values of a parameter that configurations have, in order of first appearance. */
export function seenValues(configurations: readonly TunedConfiguration[], name: string): TunedValue[] {
  return [...new Set(configurations.map(({ values }) => values[name] as TunedValue))];
}

function toConfiguration(file: CacheFile, key: string, entry: Entry, path: string): TunedConfiguration {
  const values = Object.fromEntries(
    file.tune_params_keys.map((name) => {
      const parsed = value.safeParse(entry[name]);
      if (parsed.success) return [name, parsed.data];
      throw new KernelcastError("recording", `${path}: cache["${key}"]: it has no value of the parameter "${name}"`);
    }),
  );
  return {
    values,
    outcome: toOutcome(entry, `${path}: cache["${key}"]`),
    ...milliseconds("compileMs", entry["compile_time"]),
    ...milliseconds("benchmarkMs", entry["benchmark_time"]),
    ...milliseconds("verificationMs", entry["verification_time"]),
    metrics: toMetrics(entry, values),
  };
}

function toOutcome(entry: Entry, place: string): TunedConfiguration["outcome"] {
  const error = entry["__error__"] ?? Object.values(entry).find(isFailureName);
  if (error !== undefined && error !== null) return failure(typeof error === "string" ? error : "ErrorConfig");
  if (entry["time"] !== undefined) return outcomeOf(entry["time"], entry["times"]);
  throw new KernelcastError("recording", `${place}: it has no "time", so it tells nothing of how long the kernel runs`);
}

/** Older files have the failure's name in the place of the objective's value. */
function isFailureName(member: unknown): boolean {
  return typeof member === "string" && /^(Invalid|CompilationFailed|RuntimeFailed|Error)Config$/.test(member);
}

/** A member that is there when the value is a duration. */
export function milliseconds<N extends string>(name: N, duration: unknown, factor = 1): Partial<Record<N, number>> {
  if (typeof duration !== "number" || !(duration >= 0 && duration < Infinity)) return {};
  return { [name]: duration * factor } as Record<N, number>;
}

function toMetrics(entry: Entry, values: Readonly<Record<string, TunedValue>>): Record<string, number> {
  const metrics = Object.entries(entry).filter(
    (member): member is [string, number] =>
      typeof member[1] === "number" && !ownMembers.has(member[0]) && !(member[0] in values),
  );
  return Object.fromEntries(metrics);
}

function toProblemSize(size: unknown): number[] | undefined {
  const parts = Array.isArray(size) ? (size as unknown[]) : [size];
  const whole = parts.map((part) => (typeof part === "string" && part.trim() !== "" ? Number(part) : part));
  const isSize = (part: unknown): part is number => Number.isSafeInteger(part) && Number(part) > 0;
  return whole.length >= 1 && whole.length <= 3 && whole.every(isSize) ? whole : undefined;
}
