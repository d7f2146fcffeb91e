import type { Outlook, PolicyContext } from "../../domain/index.ts";
import { chooseBatch, type Choice } from "./choose-batch.ts";
import { usdOfMeasuring } from "./costs.ts";
import type { Target } from "./gain.ts";
import { valueOfInformation } from "./look-ahead.ts";
import type { GateOptions } from "./options.ts";
import { mostPromising, type Prospect } from "./prospects.ts";
import {
  choleskyFactor,
  correlations,
  drawOutcomes,
  independentDraws,
  jointGain,
  type Outcomes,
} from "./shared-luck.ts";

/** A shortlisted candidate with all that speaks for it. */
export interface Weighed {
  readonly prospect: Prospect;
  readonly information: number;
  /** Gain and value of information, log2. */
  readonly value: number;
}

export interface Weighing {
  readonly shortlist: readonly Weighed[];
  readonly choices: readonly Choice[];
  readonly outlook: Outlook;
  /** USD of one more measurement; 0 before there was one. */
  readonly costUsd: number;
}

/** Normal draws of a run; they depend on its seed and the sizes alone. */
export type Draws = (seed: number) => Parameters<typeof drawOutcomes>[3];

/** Makes {@link Draws} that are computed once for a seed. */
export function createDraws({ draws, shortlist }: Pick<GateOptions, "draws" | "shortlist">): Draws {
  const kept = new Map<number, ReturnType<Draws>>();
  return (seed) => {
    const known = kept.get(seed);
    if (known) return known;
    const both = independentDraws(seed, 2 * draws, shortlist);
    const half = draws * shortlist;
    const made = { runtime: both.subarray(0, half), success: both.subarray(half), draws, stride: shortlist };
    kept.clear();
    kept.set(seed, made);
    return made;
  };
}

/** Weighs the most promising candidates together and chooses which to measure. */
export function weigh(
  prospects: readonly Prospect[],
  target: Target,
  context: PolicyContext,
  options: GateOptions,
  normals: ReturnType<Draws>,
): Weighing {
  const { planning, measurementsLeft } = context;
  const listed = mostPromising(prospects, options.shortlist);
  const correlation = correlations(
    listed.map(({ kernelId }) => kernelId),
    planning?.likeness,
    options.errors,
  );
  const forecasts = listed.map(({ forecast }) => forecast);
  const outcomes = drawOutcomes(forecasts, target, choleskyFactor(correlation, listed.length), normals);
  const information = measurementsLeft > 1 ? informationOf(listed, target, correlation, options) : [];
  const shortlist = listed.map((prospect, row) => {
    // What it takes from the others is counted when they are chosen beside it.
    const told = Math.max(0, information[row] ?? 0);
    return { prospect, information: told, value: prospect.gain + told };
  });
  const outlook = outlookOf(shortlist, outcomes, measurementsLeft);
  const costUsd = planning ? usdOfMeasuring(planning.costs, options.prices) : 0;
  const choices = chooseBatch(
    shortlist.map(({ value }) => value / (costUsd || 1)),
    outcomes,
    limitsOf(context, options, costUsd || 1),
  );
  return { shortlist, choices, outlook, costUsd };
}

function informationOf(
  listed: readonly Prospect[],
  target: Target,
  correlation: Float64Array,
  { lookedAhead }: GateOptions,
): readonly number[] {
  const size = Math.min(lookedAhead, listed.length);
  const corner = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    corner.set(correlation.subarray(row * listed.length, row * listed.length + size), row * size);
  }
  const forecasts = listed.slice(0, size).map(({ forecast }) => forecast);
  return valueOfInformation(forecasts, target, corner);
}

/** What the measurements left promise together, were they spent on the best of what is known. */
function outlookOf(shortlist: readonly Weighed[], outcomes: Outcomes, measurementsLeft: number): Outlook {
  const measurements = Math.min(measurementsLeft, shortlist.length);
  const rows = Array.from({ length: measurements }, (_, row) => row);
  // The best one's own gain is exact; of rare wins the draws may hold none.
  const bestLog2 = shortlist[0]?.prospect.gain ?? 0;
  return { gainLog2: Math.max(measurements > 0 ? bestLog2 : 0, jointGain(outcomes, rows)), bestLog2, measurements };
}

/** A batch whose best is far below what was on offer of late waits for a better one, unless nothing new is proposed. */
function limitsOf(
  { planning, measurementsLeft }: PolicyContext,
  { perBatch, leastShare, recentShare }: GateOptions,
  costUsd: number,
) {
  const recent = planning?.again ? [] : (planning?.outlooks ?? []).slice(-recentOutlooks);
  const mean = recent.length === 0 ? 0 : recent.reduce((sum, { bestLog2 }) => sum + bestLog2, 0) / recent.length;
  return { most: Math.min(perBatch, measurementsLeft), least: (recentShare * mean) / costUsd, leastShare };
}

/** Decisions that the best of late is the mean of. */
const recentOutlooks = 4;
