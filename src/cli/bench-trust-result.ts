import type { Estimate } from "../evaluate/trust/estimates.ts";
import type { RecordedTrust } from "../serve/trust/trust-on-recording.ts";
import type { CareerSummary, PowerCurve, TrustFigures } from "../evaluate/trust/trust-study.ts";

/** What `bench trust` found. */
export type TrustBenchDocument = TrustFigures & {
  readonly histories: number;
  readonly careers: readonly CareerSummary[];
  readonly power_curves?: readonly PowerCurve[];
  readonly recorded?: readonly RecordedTrust[];
};

/** The lines that a person reads. */
export function benchTrustLines(document: TrustBenchDocument): readonly string[] {
  const { histories, careers, power_curves: curves = [], recorded = [] } = document;
  return [
    `${histories} simulated histories each, with 95 % intervals`,
    `promoted falsely, exactly at the boundary, over any horizon: ${share(document.false_promotion_at_boundary)}`,
    `promoted falsely, skipping at random, over any horizon: ${share(document.false_promotion_skip_all)}`,
    `promoted within 400 labelled candidates, missing a sixteenth of the wins: ${share(document.promoted_within_400)}`,
    `demoted falsely in 2 000 measurements: ${share(document.false_demotion_2000)}`,
    `demoted within 100 measurements once its forecasts are permuted: ${share(document.demoted_within_100)}`,
    `audits of the measurements in live: ${share(document.audit_share)}`,
    ...careers.map(
      ({ surrogate, candidates, canary, live, demoted, price, ...medians }) =>
        `${surrogate}, ${candidates} candidates: canary ${share(canary)}${after(medians.median_candidates_to_canary)}, live ${share(live)}${after(medians.median_candidates_to_live)}, demoted ${share(demoted)}; ${price} measurements for trust alone`,
    ),
    ...curves.flatMap(({ figure, along, points }) => [
      `${figure}, by ${along}:`,
      ...points.map((point) => `  ${point.at}: ${share(point.share)}`),
    ]),
    ...recorded.map(
      ({ surrogate, labels, wins, missed, spared, canary_after, live_after, demoted_after, level }) =>
        `recorded, ${surrogate}: ${labels} labels, ${missed} of ${wins} wins missed, ${spared} spared; canary ${at(canary_after)}, live ${at(live_after)}, demoted ${at(demoted_after)}; ${level} in the end`,
    ),
  ];
}

function share({ value, ci: [low, high] }: Estimate): string {
  const percent = (part: number): string => `${Number((100 * part).toFixed(1))}`;
  return `${percent(value)} % [${percent(low)}, ${percent(high)}]`;
}

function after(median: number | null): string {
  return median === null ? "" : ` (median after ${median})`;
}

function at(label: number | null): string {
  return label === null ? "never" : `after ${label}`;
}
