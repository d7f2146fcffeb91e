import { mean } from "./summary.ts";

/** A judged forecast: how far off it was, and how unsure it said it was (any increasing scale). */
export interface RiskPoint {
  readonly risk: number;
  readonly uncertainty: number;
}

/**
 * Mean risk of the k surest, for k from 1 to n. Where several are equally sure every order of theirs is as good as another: the
 * expectation over them is taken, so the result does not depend on the order of the points.
 */
export function riskCoverage(points: readonly RiskPoint[]): number[] {
  const sorted = [...points].sort((a, b) => a.uncertainty - b.uncertainty);
  const curve: number[] = [];
  let sum = 0;
  for (let start = 0; start < sorted.length;) {
    const level = sorted[start]?.uncertainty;
    let end = start + 1;
    while (end < sorted.length && sorted[end]?.uncertainty === level) end++;
    const average = mean(sorted.slice(start, end).map(({ risk }) => risk)) as number;
    for (let taken = 1; start + taken <= end; taken++) curve.push((sum + taken * average) / (start + taken));
    sum += (end - start) * average;
    start = end;
  }
  return curve;
}

/** Area under the risk–coverage curve: the mean of {@link riskCoverage} over all coverages. Lower is better. */
export function areaUnderRisk(points: readonly RiskPoint[]): number | undefined {
  return mean(riskCoverage(points));
}

/**
 * {@link areaUnderRisk} on a scale where 0 is the oracle's order, by the risk itself, and 1 a random order; above 1 is worse than
 * no idea. Undefined where all risks are equal, for then no order is better than another.
 */
export function normalisedAreaUnderRisk(points: readonly RiskPoint[]): number | undefined {
  const area = areaUnderRisk(points);
  const oracle = areaUnderRisk(points.map(({ risk }) => ({ risk, uncertainty: risk })));
  const random = mean(points.map(({ risk }) => risk));
  if (area === undefined || oracle === undefined || random === undefined) return undefined;
  return random - oracle > 1e-12 * Math.abs(random) ? (area - oracle) / (random - oracle) : undefined;
}
