import type { KeptEntry, TrustEntry } from "../../domain/index.ts";
import type { TrustSettings } from "./settings.ts";
import { freshRecord, type TrustRecord } from "./trust-record.ts";
import { TrustTracker, type TrustChange } from "./trust-tracker.ts";

/** A change with when it came about and what brought it. */
export interface DatedChange {
  readonly at: number;
  readonly change: TrustChange;
  readonly by: "labels" | "guard" | "person";
}

/** What follows from a ledger's entries for one key. */
export interface TrustHistory {
  readonly record: TrustRecord;
  readonly changes: readonly DatedChange[];
  readonly labels: number;
  readonly environment: Readonly<Record<string, string>>;
}

/** Takes a key's entries in, in the ledger's order. Deterministic: ledgers of equal entries agree on everything. */
export function foldLedger(entries: readonly KeptEntry[], settings: TrustSettings): TrustHistory {
  const tracker = new TrustTracker(freshRecord(settings), settings);
  const changes: DatedChange[] = [];
  let labels = 0;
  let environment: Readonly<Record<string, string>> = {};
  for (const { entry, at } of entries) {
    switch (entry.kind) {
      case "label":
        labels++;
        for (const change of tracker.see(entry.label)) changes.push({ at, change, by: "labels" });
        break;
      case "environment":
        environment = { ...environment, ...entry.environment };
        break;
      default:
        changes.push({ at, ...applySetting(tracker, entry) });
    }
  }
  return { record: tracker.record, changes, labels, environment };
}

function applySetting(
  tracker: TrustTracker,
  entry: Extract<TrustEntry, { kind: "set" | "guard" }>,
): Pick<DatedChange, "change" | "by"> {
  if (entry.kind === "guard") return { change: tracker.setLevel(entry.level, entry.reason), by: "guard" };
  const reason = `set by ${entry.who}: ${entry.because}`;
  return { change: tracker.setLevel(entry.level, reason), by: "person" };
}

/** What of two environments differs, where both tell of it; nothing where trust may go on. */
export function changedEnvironment(
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): readonly string[] {
  return Object.entries(now).flatMap(([name, value]) => {
    const was = before[name];
    return was === undefined || was === value ? [] : [`${name} was ${was}, now ${value}`];
  });
}
