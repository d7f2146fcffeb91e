import { CourtingGuard } from "../decide/trust/courting.ts";
import {
  chanceToWin,
  nextSeal,
  orderOf,
  pitOf,
  type MeasuredForecast,
  type SealedForecast,
} from "../decide/trust/sealed.ts";
import type { TrustSettings } from "../decide/trust/settings.ts";
import type { TrustRecord } from "../decide/trust/trust-record.ts";
import { TrustTracker, type TrustChange } from "../decide/trust/trust-tracker.ts";
import {
  canonicalJson,
  sha256Hex,
  type Measurement,
  type TrustKey,
  type TrustLabel,
  type TrustLevel,
} from "../domain/index.ts";
import type { CandidateState, SearchState } from "./state.ts";
import type { StepBuilder } from "./step.ts";

/** A level that the user fixes, or `auto`: what the surrogate has earned. */
export type TrustMode = TrustLevel | "auto";

/** What a run starts with: logged, so that a replay needs no ledger. */
export interface TrustStart {
  readonly key: TrustKey;
  readonly mode: TrustMode;
  readonly family: string;
  readonly settings: TrustSettings;
  readonly record: TrustRecord;
  /** Kernels of this task that the ledger has labels of: measuring them again shows nothing new. */
  readonly known: readonly string[];
  /** Drivers and compilers, as far as they are known. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Trust within a run. */
export interface RunTrust {
  readonly start: TrustStart;
  readonly tracker: TrustTracker;
  readonly courting: CourtingGuard;
  readonly known: ReadonlySet<string>;
  /** Sealed forecasts whose outcome is not known. */
  readonly sealed: Map<string, SealedForecast>;
  /** The latest measured kernel that makes no pair yet. */
  single: MeasuredForecast | undefined;
  /** The chain's last link. */
  chain: string;
  /** Outcomes so far that are new. */
  labels: number;
}

export function startTrust(state: SearchState, start: TrustStart): void {
  // The log holds the record as it was; the run's own moves on.
  const record = structuredClone(start.record);
  const { key, settings, known } = start;
  state.trust = {
    start,
    tracker: new TrustTracker(record, settings),
    courting: new CourtingGuard(),
    known: new Set(known),
    sealed: new Map(),
    single: undefined,
    labels: 0,
    chain: sha256Hex(
      canonicalJson({ key, task: state.config.taskSha256, seed: state.config.seed, at: state.startedAt }),
    ),
  };
}

/** What the surrogate may do in this run now. */
export function currentLevel({ start, tracker }: RunTrust): TrustLevel {
  return start.mode === "auto" ? tracker.levelIn(start.family) : start.mode;
}

/** Seals a candidate's forecast with the would-be decision, and notes the link. */
export function seal(
  state: SearchState,
  step: StepBuilder,
  candidate: CandidateState,
  { probability, counts }: { readonly probability: number; readonly counts: boolean },
): void {
  const { trust, config, planning } = state;
  const { forecast, record } = candidate;
  if (!trust || !forecast || planning.escalated.has(record.kernelId)) return;
  const earlier = trust.sealed.get(record.kernelId);
  const incumbentUs = earlier?.incumbentUs ?? incumbentUsOf(state);
  const winChance = chanceToWin(forecast, incumbentUs, config.winLog2);
  if (!earlier) trust.courting.seeForecast(winChance);
  const sealing = {
    forecast,
    incumbentUs,
    skip: winChance < trust.start.settings.skipBelow,
    level: currentLevel(trust),
    probability,
  };
  const link = nextSeal(trust.chain, sealing);
  const { skip, level } = sealing;
  step.notes.push({
    type: "forecast-seal",
    kernelId: record.kernelId,
    previous: trust.chain,
    seal: link,
    incumbentUs,
    skip,
    level,
    probability,
  });
  trust.chain = link;
  // What was decided before had its draw then.
  trust.sealed.set(record.kernelId, { ...sealing, seal: link, winChance, counts: counts && !earlier });
}

function incumbentUsOf({ candidates, incumbentId }: SearchState): number {
  return candidates.get(incumbentId ?? "")?.measurement?.runtime.medianUs ?? Number.NaN;
}

/** What came of a candidate: null where it failed before it was measured. */
export function observeOutcome(
  state: SearchState,
  step: StepBuilder,
  kernelId: string,
  measurement: Measurement | null,
): void {
  const { trust } = state;
  const sealed = trust?.sealed.get(kernelId);
  if (!trust || !sealed) return;
  trust.sealed.delete(kernelId);
  if (trust.known.has(kernelId)) return;
  const label = toLabel(state, trust, sealed, measurement);
  trust.labels++;
  step.notes.push({ type: "trust-label", label });
  const guarded = guard(trust, label, sealed.winChance, measurement);
  const { seal: link } = sealed;
  if (guarded) {
    step.notes.push({ type: "trust-change", change: guarded, by: "guard", seal: link });
    return;
  }
  if (measurement?.conditions?.controlsOk === false) return;
  for (const change of trust.tracker.see(label)) {
    step.notes.push({ type: "trust-change", change, by: "labels", seal: link });
  }
}

function toLabel(
  { config, now }: SearchState,
  trust: RunTrust,
  { seal: link, forecast, incumbentUs, skip, level, probability, counts }: SealedForecast,
  measurement: Measurement | null,
): TrustLabel {
  const runtimeUs = measurement?.status === "ok" ? measurement.runtime.medianUs : undefined;
  const winUs = incumbentUs * 2 ** -config.winLog2;
  const controlled = measurement?.conditions?.controlsOk !== false && measurement?.conditions?.throttled !== true;
  return {
    seal: link,
    kernelId: forecast.kernelId,
    taskId: config.taskId,
    family: trust.start.family,
    at: now,
    level,
    skip,
    probability,
    win: runtimeUs !== undefined && runtimeUs <= winUs,
    ok: runtimeUs !== undefined,
    pOk: forecast.pOk,
    pit: runtimeUs === undefined ? null : pitOf(forecast, runtimeUs),
    ...(runtimeUs === undefined ? {} : pairOf(trust, { forecast, runtimeUs })),
    counts: counts && controlled,
  };
}

/** Pairs are disjoint, so that each says something new. */
function pairOf(trust: RunTrust, one: MeasuredForecast): Pick<TrustLabel, "order"> {
  const before = trust.single;
  trust.single = before ? undefined : one;
  return before ? { order: orderOf(one, before) } : {};
}

/** What sends trust back to canary whatever the bets say. */
function guard(
  { tracker, courting }: RunTrust,
  label: TrustLabel,
  winChance: number,
  measurement: Measurement | null,
): TrustChange | undefined {
  const isCourted = courting.seeOutcome(winChance, label.win);
  if (isCourted) courting.restart();
  if (tracker.record.level !== "live") return undefined;
  if (isCourted) {
    return tracker.setLevel(
      "canary",
      "proposals court the surrogate: it forecasts ever more for them, and they fall short",
    );
  }
  if (measurement?.conditions?.throttled !== true) return undefined;
  return tracker.setLevel("canary", "the device's clocks are out of range: it throttled while it measured");
}

/** Whether the policy's plans are those of a surrogate that decides: else it looks at no others first, asks nobody, and stops nothing. */
export function decidesAlone(trust: RunTrust | undefined): boolean {
  return trust === undefined || currentLevel(trust) === "live";
}
