import { canonicalJson, sha256Hex } from "./digest.ts";

/** How much a surrogate may do on a device: nothing; skip, with half of what is left out audited; skip, with few audits. */
export type TrustLevel = "shadow" | "canary" | "live";

export const trustLevels: readonly TrustLevel[] = ["shadow", "canary", "live"];

/** A sealed forecast beside what the device said: what trust is made of. Plain data, kept for good. */
export interface TrustLabel {
  /** Last link of the chain that the forecast was sealed into before the result was known. */
  readonly seal: string;
  readonly kernelId: string;
  readonly taskId: string;
  readonly family: string;
  /** Seconds, in the run's time. */
  readonly at: number;
  /** Level that the candidate was decided at. */
  readonly level: TrustLevel;
  /** The would-be decision, by the sealed forecast alone. */
  readonly skip: boolean;
  /** Chance with which it was measured: 1, or an audit's. */
  readonly probability: number;
  /** It beats the incumbent of the moment of its first decision by the margin of a win. */
  readonly win: boolean;
  readonly ok: boolean;
  readonly pOk: number;
  /** Of the runtime under the sealed forecast; null for a failure. */
  readonly pit: number | null;
  /** Beside the latest measurement of the run: the forecasts' chance that this kernel is the faster one, and whether it is. */
  readonly order?: { readonly chance: number; readonly faster: boolean };
  /** Whether it counts for promotion: what was chosen for reasons that no probability tells of does not. */
  readonly counts: boolean;
}

/** Whose trust it is. */
export interface TrustKey {
  /** As the user names the forecaster. */
  readonly surrogate: string;
  /** Digest of its models and calibration recipes, which stay the same while a run refits them. */
  readonly recipe: string;
  readonly device: string;
}

/** What a ledger is made of. Everything else follows from the entries in their order. */
export type TrustEntry =
  | { readonly kind: "label"; readonly label: TrustLabel; readonly runId: string }
  /** A level that a person set. */
  | { readonly kind: "set"; readonly level: TrustLevel; readonly because: string; readonly who: string }
  /** Trust that a guard took away. */
  | { readonly kind: "guard"; readonly level: TrustLevel; readonly reason: string; readonly seal?: string }
  /** Versions of driver, compiler and worker that a search found. */
  | { readonly kind: "environment"; readonly environment: Readonly<Record<string, string>> };

/** An entry as it is kept and exchanged. */
export interface KeptEntry {
  readonly key: TrustKey;
  readonly entry: TrustEntry;
  /** Unix seconds at which it was first kept; the order of a ledger, ties by digest. */
  readonly at: number;
  readonly digest: string;
}

/**
 * What makes two entries the same one: of a label the kernel, for a surrogate shows nothing new by forecasting it again; of the others
 * all they say and when.
 */
export function entryDigest(key: TrustKey, entry: TrustEntry, at: number): string {
  const what = identityOf(entry) ?? [entry, Number(at.toFixed(6))];
  return sha256Hex(canonicalJson([key, what]));
}

function identityOf(entry: TrustEntry): readonly unknown[] | undefined {
  if (entry.kind === "label") return ["label", entry.label.taskId, entry.label.kernelId];
  return entry.kind === "guard" && entry.seal !== undefined ? ["guard", entry.seal] : undefined;
}
