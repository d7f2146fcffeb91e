import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { KeptEntry } from "../../domain/index.ts";
import { readLedgerLines } from "../../formats/trust-lines.ts";
import { openTrustLedger, type TrustLedger } from "../../store/trust-ledger.ts";
import { packagePath } from "../package-paths.ts";

/** What the forecasters of the package earned on the atlas's validation split, by the same procedure as every other. */
export const shippedLedgerPath: string = packagePath("models/trust-v1.jsonl.gz");

function shippedEntries(): readonly KeptEntry[] {
  if (!existsSync(shippedLedgerPath)) return [];
  return readLedgerLines(gunzipSync(readFileSync(shippedLedgerPath)).toString("utf8"), shippedLedgerPath);
}

/** Opens a ledger, with what shipped forecasters have earned. */
export function openLedgerWithShipped(path: string): TrustLedger {
  const ledger = openTrustLedger(path);
  try {
    ledger.merge(shippedEntries());
    return ledger;
  } catch (cause) {
    ledger.close();
    throw cause;
  }
}
