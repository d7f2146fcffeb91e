import { geometricMean, keyedStream, quantileSorted } from "../../src/domain/index.ts";
import type { BenchSpace } from "./bench-space.ts";
import { costsOf, percent, rounded, scoreArm, shares, whenWithin, type ArmScore } from "./score.ts";
import type { Trace } from "./traces.ts";

/** A mean with its 95 % interval. */
export interface Figure {
  readonly mean: number;
  readonly ci: readonly [number, number];
}

export interface ArmResult {
  /** Whose search it is. */
  readonly by: "kernelcast" | "kernel-tuner";
  /** Geometric means over the spaces of the restricted means, by share; absent where the arm lacks a space. */
  readonly over_spaces?: Readonly<Record<string, { readonly measurements: Figure; readonly seconds: Figure }>>;
  readonly spaces: Readonly<Record<string, ArmScore>>;
  /** Why it did not run, where it never tried anything. */
  readonly fault?: string;
}

export interface BestArms {
  readonly kernelcast: string;
  readonly kernel_tuner: string;
  /** How many times as many measurements, and seconds, Kernel Tuner's best strategy needs. */
  readonly measurements: Figure;
  readonly seconds: Figure;
}

export interface SpaceFacts {
  readonly configurations: number;
  readonly failed: number;
  readonly optimum_ms: number;
  /** Configurations within each share of the optimum. */
  readonly within: Readonly<Record<string, number>>;
}

export interface Comparison {
  readonly kernel_tuner: string | undefined;
  readonly limit: number;
  readonly spaces: Readonly<Record<string, SpaceFacts>>;
  readonly arms: Readonly<Record<string, ArmResult>>;
  /** The best single arm of either side over the spaces, by measurements. */
  readonly best: Readonly<Record<string, BestArms | undefined>>;
}

const replicates = 2000;

/** What searches over spaces are worth, all arms judged alike, from what they tried. Throws for traces of different limits. */
export function compareArms(spaces: readonly BenchSpace[], traces: readonly Trace[]): Comparison {
  const limits = [...new Set(traces.map(({ limit }) => limit))];
  const [limit] = limits;
  if (limit === undefined || limits.length > 1) {
    throw new Error(`the traces have limits of ${limits.join(" and ") || "nothing"}; give those of one`);
  }
  const names = [...new Set(traces.map(({ strategy }) => strategy))];
  const own = new Map(names.map((name) => [name, traces.filter(({ strategy }) => strategy === name)]));
  const drawn = new Map([...own].map(([name, runs]) => [name, drawMeans(spaces, runs)]));
  const arms = Object.fromEntries(
    [...own].map(([name, runs]) => [name, armResult(spaces, runs, drawn.get(name))] as const),
  );
  return {
    kernel_tuner: traces.find(({ kernel_tuner: version }) => version !== undefined)?.kernel_tuner,
    limit,
    spaces: Object.fromEntries(spaces.map((space) => [space.name, spaceFacts(space)])),
    arms,
    best: Object.fromEntries(shares.map((share) => [percent(share), bestArms(arms, drawn, percent(share))])),
  };
}

function spaceFacts(space: BenchSpace): SpaceFacts {
  const { optimumMs } = costsOf(space);
  const good = (share: number): number =>
    space.timesMs.filter((time) => time !== undefined && time <= optimumMs * (1 + share)).length;
  return {
    configurations: space.timesMs.length,
    failed: space.timesMs.filter((time) => time === undefined).length,
    optimum_ms: rounded(optimumMs),
    within: Object.fromEntries(shares.map((share) => [percent(share), good(share)])),
  };
}

/** Geometric means over the spaces: the one of all runs first, then those of runs drawn anew within each space. */
type DrawnMeans = Readonly<Record<string, { readonly measurements: number[]; readonly seconds: number[] }>>;

/** Undefined where a space has no runs. */
function drawMeans(spaces: readonly BenchSpace[], runs: readonly Trace[]): DrawnMeans | undefined {
  const bySpace = spaces.map((space) => runs.filter((trace) => trace.space === space.name && trace.tried.length > 0));
  if (bySpace.some((some) => some.length === 0)) return undefined;
  const costs = spaces.map(costsOf);
  return Object.fromEntries(
    shares.map((share) => {
      const reached = bySpace.map((some, at) =>
        some.map((trace) => whenWithin(trace, share, spaces[at] as BenchSpace, costs[at] as (typeof costs)[number])),
      );
      const draw = (quantity: "measurements" | "seconds"): number[] =>
        drawGeometric(
          reached.map((some) => some.map((run) => run[quantity])),
          [runs[0]?.strategy ?? "", percent(share), quantity],
        );
      return [percent(share), { measurements: draw("measurements"), seconds: draw("seconds") }];
    }),
  );
}

function drawGeometric(bySpace: readonly (readonly number[])[], key: readonly string[]): number[] {
  const uniform = keyedStream(1, ...key);
  const meanOf = (values: readonly number[], pick: (at: number) => number): number =>
    values.reduce((sum, _, at) => sum + (values[pick(at)] as number), 0) / values.length;
  const over = (pick: (at: number, count: number) => number): number =>
    geometricMean(bySpace.map((values) => meanOf(values, (at) => pick(at, values.length)))) ?? Number.NaN;
  const again = (_: number, count: number): number => Math.floor(uniform() * count);
  return [over((at) => at), ...Array.from({ length: replicates }, () => over(again))];
}

function armResult(spaces: readonly BenchSpace[], runs: readonly Trace[], drawn: DrawnMeans | undefined): ArmResult {
  const scores = spaces.flatMap((space) => {
    const score = scoreArm(
      runs.filter((trace) => trace.space === space.name),
      space,
      costsOf(space),
    );
    return score ? [[space.name, score] as const] : [];
  });
  const fault = runs.find((trace) => trace.fault !== undefined)?.fault;
  return {
    by: runs[0]?.kernel_tuner === undefined ? "kernelcast" : "kernel-tuner",
    ...(drawn ? { over_spaces: overSpaces(drawn) } : {}),
    spaces: Object.fromEntries(scores),
    ...(scores.length === 0 && fault !== undefined ? { fault } : {}),
  };
}

function overSpaces(drawn: DrawnMeans): NonNullable<ArmResult["over_spaces"]> {
  return Object.fromEntries(
    Object.entries(drawn).map(([share, { measurements, seconds }]) => [
      share,
      { measurements: figureOf(measurements), seconds: figureOf(seconds) },
    ]),
  );
}

function figureOf([mean = Number.NaN, ...draws]: readonly number[]): Figure {
  const sorted = draws.toSorted((a, b) => a - b);
  const at = (share: number): number => rounded(quantileSorted(sorted, share) ?? Number.NaN);
  return { mean: rounded(mean), ci: [at(0.025), at(0.975)] };
}

function bestArms(
  arms: Readonly<Record<string, ArmResult>>,
  drawn: ReadonlyMap<string, DrawnMeans | undefined>,
  share: string,
): BestArms | undefined {
  const bestOf = (by: ArmResult["by"]): string | undefined =>
    Object.entries(arms)
      .flatMap(([name, arm]) => {
        const mean = arm.over_spaces?.[share]?.measurements.mean;
        return arm.by === by && mean !== undefined ? [{ name, mean }] : [];
      })
      .toSorted((a, b) => a.mean - b.mean)[0]?.name;
  const [ours, theirs] = [bestOf("kernelcast"), bestOf("kernel-tuner")];
  if (ours === undefined || theirs === undefined) return undefined;
  const ratio = (quantity: "measurements" | "seconds"): Figure => {
    const own = drawn.get(ours)?.[share]?.[quantity] ?? [];
    const others = drawn.get(theirs)?.[share]?.[quantity] ?? [];
    return figureOf(others.map((value, at) => value / (own[at] as number)));
  };
  return { kernelcast: ours, kernel_tuner: theirs, measurements: ratio("measurements"), seconds: ratio("seconds") };
}
