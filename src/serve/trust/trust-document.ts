import { foldLedger, type DatedChange } from "../../decide/trust/ledger.ts";
import { defaultTrustSettings } from "../../decide/trust/settings.ts";
import { promotionLimit } from "../../decide/trust/trust-record.ts";
import { TrustTracker } from "../../decide/trust/trust-tracker.ts";
import type { TrustKey, TrustLevel } from "../../domain/index.ts";
import type { TrustLedger } from "../../store/trust-ledger.ts";

/** How far a surrogate is trusted on a device, and what that rests on, in the words of the `--json` document. */
export interface TrustStatus {
  readonly surrogate: string;
  readonly recipe: string;
  readonly device: string;
  readonly level: TrustLevel;
  /** Sealed forecasts with their outcome, all told. */
  readonly labels: number;
  /** Since the level changed last. */
  readonly evidence: {
    readonly labels: number;
    readonly spared: number;
    readonly wins: number;
    readonly missed: number;
    readonly capital_needed: number;
    readonly bets: readonly { readonly against: string; readonly capital: number }[];
  };
  /** What it lacks for the next level. */
  readonly lacking: readonly string[];
  /** How far the detector of changes is towards an alarm, 0–1. */
  readonly alertness: number;
  readonly losses: number;
  readonly families: readonly {
    readonly family: string;
    readonly wins: number;
    readonly missed: number;
    readonly vetoed: boolean;
  }[];
  readonly environment: Readonly<Record<string, string>>;
  readonly last_change: ChangeDocument | null;
}

/** A change of trust. */
export interface ChangeDocument {
  /** ISO 8601. */
  readonly at: string;
  readonly what: string;
  readonly by: DatedChange["by"];
  readonly reason: string;
}

export function trustStatus(ledger: TrustLedger, key: TrustKey): TrustStatus {
  const settings = defaultTrustSettings;
  const { record, labels, environment, changes } = foldLedger(ledger.entries(key), settings);
  const tracker = new TrustTracker(record, settings);
  const { labels: counted, spared, wins, missed } = record.evidence;
  const last = changes.at(-1);
  return {
    ...key,
    level: record.level,
    labels,
    evidence: {
      labels: counted,
      spared,
      wins,
      missed,
      capital_needed: rounded(Math.exp(promotionLimit(record.losses, settings))),
      bets: tracker.capitals.map(({ against, capital }) => ({ against, capital: rounded(capital) })),
    },
    lacking: tracker.obstacles(),
    alertness: rounded(tracker.alertness),
    losses: record.losses,
    families: Object.entries(record.families).map(([family, one]) => ({
      family,
      wins: one.wins,
      missed: one.missed,
      vetoed: one.vetoed,
    })),
    environment,
    last_change: last ? changeDocument(last) : null,
  };
}

export function trustChanges(ledger: TrustLedger, key: TrustKey): readonly ChangeDocument[] {
  return foldLedger(ledger.entries(key), defaultTrustSettings).changes.map(changeDocument);
}

function changeDocument({ at, change, by }: DatedChange): ChangeDocument {
  const what = change.kind === "level" ? `${change.from} → ${change.to}` : `${change.kind} of ${change.family}`;
  return { at: new Date(1000 * at).toISOString(), what, by, reason: change.reason };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
