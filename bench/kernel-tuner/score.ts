import { keyedStream } from "../../src/domain/index.ts";
import { bootstrapGroups, mean, type Interval } from "../../src/domain/statistics/index.ts";
import type { BenchSpace } from "./bench-space.ts";
import type { Trace } from "./traces.ts";

/** Shares above the optimum that a search is to come within. */
export const shares = [0.1, 0.05, 0.01] as const;

/** Costs of trying a space's configurations, in milliseconds, as Kernel Tuner counts them: compiling, checking, timing. */
export interface SpaceCosts {
  readonly first: readonly number[];
  /** Timing a configuration again, compiled already. */
  readonly again: readonly number[];
  readonly mean: number;
  readonly optimumMs: number;
}

export function costsOf({ configurations, timesMs }: BenchSpace): SpaceCosts {
  const again = configurations.map(({ benchmarkMs = 0 }) => benchmarkMs);
  const first = configurations.map(
    ({ compileMs = 0, verificationMs = 0 }, place) => compileMs + verificationMs + (again[place] as number),
  );
  const optimumMs = Math.min(...timesMs.filter((time) => time !== undefined));
  return { first, again, mean: mean(first) ?? 0, optimumMs };
}

/** When one run came within a share of the optimum; at the limit where it did not. */
export interface Reached {
  readonly reached: boolean;
  readonly measurements: number;
  /** Simulated; a run that never comes there counts as one that tries as many average configurations as the limit allows. */
  readonly seconds: number;
}

export function whenWithin(trace: Trace, share: number, { timesMs }: BenchSpace, costs: SpaceCosts): Reached {
  const horizon = (trace.limit * costs.mean) / 1000;
  const good = costs.optimumMs * (1 + share);
  const seen = new Set<number>();
  let milliseconds = 0;
  for (const place of trace.tried) {
    const isNew = !seen.has(place);
    if (isNew && seen.size >= trace.limit) break;
    seen.add(place);
    milliseconds += (isNew ? costs.first : costs.again)[place] ?? 0;
    if (isNew && (timesMs[place] ?? Infinity) <= good) {
      return { reached: true, measurements: seen.size, seconds: Math.min(milliseconds / 1000, horizon) };
    }
  }
  return { reached: false, measurements: trace.limit, seconds: horizon };
}

export interface WithinScore {
  readonly reached: number;
  /** Means restricted to the limit, with 95 % intervals over the seeds. */
  readonly measurements: { readonly mean: number; readonly ci: readonly [number, number] };
  readonly seconds: { readonly mean: number; readonly ci: readonly [number, number] };
}

export interface ArmScore {
  readonly runs: number;
  /** Runs that ended by a fault, and the first of these. */
  readonly faults: number;
  readonly fault?: string;
  /** Configurations that a run tried, on average: strategies may stop by themselves. */
  readonly tried: number;
  /** Processor time of deciding, per configuration tried. */
  readonly decide_ms: number;
  readonly within: Readonly<Record<string, WithinScore>>;
}

/** The score of one arm over one space; undefined where it never tried anything. */
export function scoreArm(traces: readonly Trace[], space: BenchSpace, costs: SpaceCosts): ArmScore | undefined {
  const ran = traces.filter(({ tried }) => tried.length > 0);
  if (ran.length === 0) return undefined;
  const faulty = traces.flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
  const tried = ran.map((trace) => Math.min(new Set(trace.tried).size, trace.limit));
  const total = tried.reduce((sum, count) => sum + count, 0);
  const seconds = ran.reduce((sum, trace) => sum + trace.seconds, 0);
  const within = shares.map((share) => {
    const runs = ran.map((trace) => whenWithin(trace, share, space, costs));
    return [percent(share), scoreWithin(runs, [space.name, ran[0]?.strategy ?? "", percent(share)])] as const;
  });
  return {
    runs: ran.length,
    faults: faulty.length,
    ...(faulty[0] === undefined ? {} : { fault: faulty[0] }),
    tried: rounded(total / ran.length),
    decide_ms: rounded((1000 * seconds) / total),
    within: Object.fromEntries(within),
  };
}

/** `5%`, the name of a share in results. */
export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

function scoreWithin(runs: readonly Reached[], key: readonly string[]): WithinScore {
  return {
    reached: rounded(runs.filter(({ reached }) => reached).length / runs.length),
    measurements: meanWithInterval(
      runs.map(({ measurements }) => measurements),
      [...key, "measurements"],
    ),
    seconds: meanWithInterval(
      runs.map(({ seconds }) => seconds),
      [...key, "seconds"],
    ),
  };
}

function meanWithInterval(
  values: readonly number[],
  key: readonly string[],
): { readonly mean: number; readonly ci: readonly [number, number] } {
  const centre = mean(values) ?? 0;
  const interval: Interval = bootstrapGroups(values, mean, { uniform: keyedStream(1, ...key), replicates: 1000 }) ?? {
    low: centre,
    high: centre,
  };
  return { mean: rounded(centre), ci: [rounded(interval.low), rounded(interval.high)] };
}

export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
