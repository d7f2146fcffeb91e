import type { TrustSettings } from "../../decide/trust/settings.ts";
import { freshRecord } from "../../decide/trust/trust-record.ts";
import { TrustTracker } from "../../decide/trust/trust-tracker.ts";
import type { TrustLevel } from "../../domain/index.ts";
import { SimulatedHistory, type SimulatedSurrogate } from "./simulated-surrogate.ts";

/** Log-capital from which a bet reaches what a promotion takes with a chance below 1e-6. */
const hopeless = -11;

/** Labels until a surrogate is promoted, of `most` at most; infinite where it is not, or its bet is as good as lost. */
export function labelsToPromotion(
  surrogate: SimulatedSurrogate,
  seed: number,
  settings: TrustSettings,
  most: number,
): number {
  const tracker = new TrustTracker(freshRecord(settings), settings);
  const history = new SimulatedHistory(surrogate, seed, "promotion");
  for (let labels = 1; labels <= most; labels++) {
    const label = history.next("shadow");
    if (label && tracker.see(label).some(({ kind }) => kind === "level")) return labels;
    if (tracker.winsLog < hopeless) break;
  }
  return Number.POSITIVE_INFINITY;
}

/** From which measurement on, counted from 0, forecasts are other kernels'. */
export interface Break {
  readonly after: number;
}

/** Measurements until a surrogate that is live is demoted, of `most` at most; after a break they are counted from it. */
export function measurementsToDemotion(
  surrogate: SimulatedSurrogate,
  seed: number,
  settings: TrustSettings,
  { most, broken = { after: Number.POSITIVE_INFINITY } }: { readonly most: number; readonly broken?: Break },
): number {
  const tracker = new TrustTracker(freshRecord(settings, "live"), settings);
  const history = new SimulatedHistory(surrogate, seed, "demotion");
  const from = Number.isFinite(broken.after) ? broken.after : 0;
  for (let measured = 0; measured < from + most; measured++) {
    const label = history.next("live", 1, measured >= broken.after);
    if (!label || !tracker.see(label).some(({ kind }) => kind === "level")) continue;
    if (measured >= from) return measured - from + 1;
    // Demoted before the break, falsely: it is trusted anew, for it is the delay that is asked for.
    tracker.setLevel("live", "simulated");
  }
  return Number.POSITIVE_INFINITY;
}

/** One surrogate's way through the levels. */
export interface Career {
  /** Candidates seen until then; infinite where it never was. */
  readonly canaryAt: number;
  readonly liveAt: number;
  readonly demotedAt: number;
  /** Measurements that trust took: of would-be skips, in shadow all of them, in canary and live the audited ones. */
  readonly price: number;
  readonly level: TrustLevel;
}

/** Follows a surrogate over candidates, as `auto` would; it breaks where `broken` says. */
export function career(
  surrogate: SimulatedSurrogate,
  seed: number,
  settings: TrustSettings,
  {
    candidates,
    broken = { after: Number.POSITIVE_INFINITY },
  }: { readonly candidates: number; readonly broken?: Break },
): Career {
  const tracker = new TrustTracker(freshRecord(settings), settings);
  const history = new SimulatedHistory(surrogate, seed, "career");
  const audits: Readonly<Record<TrustLevel, number>> = { shadow: 1, canary: settings.canaryAudit, live: liveAudit };
  const at = { canary: Number.POSITIVE_INFINITY, live: Number.POSITIVE_INFINITY, shadow: Number.POSITIVE_INFINITY };
  let price = 0;
  for (let seen = 1; seen <= candidates; seen++) {
    const { level } = tracker.record;
    const label = history.next(level, audits[level], seen > broken.after);
    if (!label) continue;
    if (label.skip) price++;
    for (const change of tracker.see(label)) {
      if (change.kind === "level") at[change.to] = Math.min(at[change.to], seen);
    }
  }
  return { canaryAt: at.canary, liveAt: at.live, demotedAt: at.shadow, price, level: tracker.record.level };
}

/** Of would-be skips in live: some four of a hundred measurements where a quarter of the candidates is measured. */
const liveAudit = 0.014;
