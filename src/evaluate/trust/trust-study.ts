import { auditProbability, drawAudits } from "../../decide/gate/audit.ts";
import { defaultGateOptions } from "../../decide/gate/options.ts";
import { defaultTrustSettings, type TrustSettings } from "../../decide/trust/settings.ts";
import { career, labelsToPromotion, measurementsToDemotion, type Career } from "./histories.ts";
import { shareEstimate, meanEstimate, type Estimate } from "./estimates.ts";
import { goodSurrogate, type SimulatedSurrogate } from "./simulated-surrogate.ts";

export interface StudyOptions {
  /** Simulated histories of each figure. */
  readonly histories: number;
  readonly settings?: TrustSettings;
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string) => void;
}

/** The figures that trust is judged by. */
export interface TrustFigures {
  readonly false_promotion_at_boundary: Estimate;
  readonly false_promotion_skip_all: Estimate;
  readonly promoted_within_400: Estimate;
  readonly false_demotion_2000: Estimate;
  readonly demoted_within_100: Estimate;
  readonly audit_share: Estimate;
}

/** Labels of a history that is followed until its bet is as good as lost; none comes near. */
const anyHorizon = 100_000;

/** Nothing but missed wins stands in its way: what promotes it is the bet alone. */
const calibrated = { errorScale: 1, sharedError: 0, okBias: 0 } as const;

export function trustFigures({
  histories,
  settings = defaultTrustSettings,
  signal,
  onProgress,
}: StudyOptions): TrustFigures {
  const share = (what: string, isSo: (seed: number) => boolean): Estimate => {
    onProgress?.(what);
    let count = 0;
    for (let seed = 0; seed < histories; seed++) {
      signal?.throwIfAborted();
      if (isSo(seed)) count++;
    }
    return shareEstimate(count, histories);
  };
  const promoted = (surrogate: SimulatedSurrogate, most: number) => (seed: number) =>
    labelsToPromotion(surrogate, seed, settings, most) <= most;
  const rho = settings.missedShare;
  const boundary = { ...goodSurrogate, ...calibrated, missedShare: rho };
  const random = { ...goodSurrogate, ...calibrated, missedShare: randomSkips, skipsOthers: randomSkips };
  return {
    false_promotion_at_boundary: share("false promotion at the boundary", promoted(boundary, anyHorizon)),
    false_promotion_skip_all: share("false promotion, skips at random", promoted(random, anyHorizon)),
    promoted_within_400: share("promotion", promoted({ ...goodSurrogate, missedShare: rho / 4 }, 400)),
    false_demotion_2000: share("false demotion", (seed) =>
      Number.isFinite(measurementsToDemotion(goodSurrogate, seed, settings, { most: 2000 })),
    ),
    demoted_within_100: share("demotion", (seed) =>
      Number.isFinite(measurementsToDemotion(goodSurrogate, seed, settings, { most: 100, broken: { after: 300 } })),
    ),
    audit_share: meanEstimate(Array.from({ length: histories }, (_, seed) => auditShare(seed))),
  };
}

/** What skips at random leaves out: more than half, so that its wins are missed as often. */
const randomSkips = 0.6;

/** Share of a live run's measurements that are the gate's audits. */
function auditShare(seed: number): number {
  const { auditShare: share, proposalsPerParent, perBatch } = defaultGateOptions;
  const batches = 64;
  let audits = 0;
  for (let batch = 0; batch < batches; batch++) {
    const skipped = Array.from({ length: proposalsPerParent - perBatch }, (_, place) => `${batch}/${place}`);
    const probability = auditProbability(share, perBatch, skipped.length, Number.POSITIVE_INFINITY);
    audits += drawAudits(seed, skipped, probability).size;
  }
  return audits / (audits + batches * perBatch);
}

/** Kinds of surrogates that are followed from shadow on. */
const simulatedKinds: Readonly<Record<string, { readonly surrogate: SimulatedSurrogate; readonly breaks?: number }>> = {
  good: { surrogate: goodSurrogate },
  mediocre: { surrogate: { ...goodSurrogate, missedShare: 0.18, skipsOthers: 0.5, skill: 0.8 } },
  "skips everything": { surrogate: { ...goodSurrogate, missedShare: 1, skipsOthers: 1 } },
  "skips at random": { surrogate: { ...goodSurrogate, missedShare: randomSkips, skipsOthers: randomSkips } },
  // It knows what wins and says the contrary, as sure of itself as it can be.
  adversarial: { surrogate: { ...goodSurrogate, missedShare: 0.9, skipsOthers: 0.1, errorScale: 2 } },
  "drifting: permuted after 1000": { surrogate: goodSurrogate, breaks: 1000 },
};

/** What became of a kind of surrogate in `candidates` candidates. */
export interface CareerSummary {
  readonly surrogate: string;
  readonly candidates: number;
  readonly canary: Estimate;
  readonly live: Estimate;
  readonly demoted: Estimate;
  /** Medians over the histories that got there; null where fewer than half did. */
  readonly median_candidates_to_canary: number | null;
  readonly median_candidates_to_live: number | null;
  /** Measurements of would-be skips that trust took, on average. */
  readonly price: number;
}

export function trustCareers({
  histories,
  settings = defaultTrustSettings,
  signal,
  onProgress,
}: StudyOptions): readonly CareerSummary[] {
  const candidates = 2000;
  return Object.entries(simulatedKinds).map(([name, { surrogate, breaks }]) => {
    onProgress?.(name);
    const careers = Array.from({ length: histories }, (_, seed) => {
      signal?.throwIfAborted();
      return career(surrogate, seed, settings, {
        candidates,
        ...(breaks === undefined ? {} : { broken: { after: breaks } }),
      });
    });
    return summarise(name, candidates, careers);
  });
}

function summarise(surrogate: string, candidates: number, careers: readonly Career[]): CareerSummary {
  const reached = (when: (one: Career) => number): number => careers.filter((one) => Number.isFinite(when(one))).length;
  const share = (when: (one: Career) => number): Estimate => shareEstimate(reached(when), careers.length);
  const median = (when: (one: Career) => number): number | null => {
    const middle = careers.map(when).sort((a, b) => a - b)[careers.length >> 1];
    return middle !== undefined && Number.isFinite(middle) ? middle : null;
  };
  return {
    surrogate,
    candidates,
    canary: share(({ canaryAt }) => canaryAt),
    live: share(({ liveAt }) => liveAt),
    demoted: share(({ demotedAt }) => demotedAt),
    median_candidates_to_canary: median(({ canaryAt }) => canaryAt),
    median_candidates_to_live: median(({ liveAt }) => liveAt),
    price: Math.round(careers.reduce((sum, { price }) => sum + price, 0) / careers.length),
  };
}

/** A figure as one property of the surrogate changes. */
export interface PowerCurve {
  readonly figure: string;
  readonly along: string;
  readonly points: readonly { readonly at: number; readonly share: Estimate }[];
}

/** How the figures depend on what a surrogate is like. */
export function powerCurves({
  histories,
  settings = defaultTrustSettings,
  signal,
  onProgress,
}: StudyOptions): readonly PowerCurve[] {
  const curve = (
    figure: string,
    along: keyof SimulatedSurrogate,
    values: readonly number[],
    isSo: (surrogate: SimulatedSurrogate, seed: number) => boolean,
  ): PowerCurve => {
    onProgress?.(`${figure} along ${along}`);
    const points = values.map((at) => {
      let count = 0;
      for (let seed = 0; seed < histories; seed++) {
        signal?.throwIfAborted();
        if (isSo({ ...goodSurrogate, [along]: at }, seed)) count++;
      }
      return { at, share: shareEstimate(count, histories) };
    });
    return { figure, along, points };
  };
  const within400 = (surrogate: SimulatedSurrogate, seed: number): boolean =>
    labelsToPromotion(surrogate, seed, settings, 400) <= 400;
  const falsely = (surrogate: SimulatedSurrogate, seed: number): boolean =>
    Number.isFinite(measurementsToDemotion(surrogate, seed, settings, { most: 2000 }));
  const soon = (surrogate: SimulatedSurrogate, seed: number): boolean =>
    Number.isFinite(measurementsToDemotion(surrogate, seed, settings, { most: 100, broken: { after: 300 } }));
  return [
    curve("promoted within 400 labels", "missedShare", [0, 0.03, 0.0625, 0.1, 0.15, 0.2, 0.25], within400),
    curve("promoted within 400 labels", "winRate", [0.05, 0.08, 0.12, 0.18, 0.25, 0.35], within400),
    curve("promoted within 400 labels", "errorScale", [1, 1.2, 1.4, 1.6, 1.8], within400),
    curve("falsely demoted in 2 000 measurements", "errorScale", [1, 1.1, 1.2, 1.3, 1.4], falsely),
    curve("falsely demoted in 2 000 measurements", "sharedError", [0, 0.1, 0.2, 0.3, 0.5], falsely),
    curve("demoted within 100 measurements", "skill", [0.8, 1.2, 1.6, 2, 2.5, 3.2], soon),
  ];
}
