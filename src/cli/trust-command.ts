import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileFault, KernelcastError, trustLevels, type TrustLevel } from "../domain/index.ts";
import { ledgerLines, readLedgerLines } from "../formats/trust-lines.ts";
import { matchingKeys, oneKey } from "../serve/trust/choose-key.ts";
import { checkForecaster } from "../serve/open-forecaster.ts";
import { openLedgerWithShipped } from "../serve/trust/shipped-ledger.ts";
import { trustChanges, trustStatus } from "../serve/trust/trust-document.ts";
import type { TrustLedger } from "../store/trust-ledger.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { changeLine, explainLines, statusLines } from "./trust-result.ts";

export interface TrustFlags {
  readonly workspace: string;
  readonly ledger?: string;
  readonly forecaster?: string;
  readonly device?: string;
  readonly json: boolean;
}

export type ExportFlags = TrustFlags & { readonly out?: string };
export type ImportFlags = Pick<TrustFlags, "workspace" | "ledger" | "json">;
export type SetFlags = Omit<TrustFlags, "forecaster"> & {
  readonly forecaster: string;
  readonly because: string;
  readonly who?: string;
};

/** `kernelcast trust status`. */
export function status(this: CliContext, flags: TrustFlags): void {
  withLedger(this, flags, (ledger) => {
    const surrogates = matchingKeys(ledger, flags).map((key) => trustStatus(ledger, key));
    if (flags.json) printJson(this, { ledger: ledger.path, surrogates });
    else for (const line of statusLines(surrogates)) printLine(this, line);
  });
}

/** `kernelcast trust history`. */
export function history(this: CliContext, flags: TrustFlags): void {
  withLedger(this, flags, (ledger) => {
    const surrogates = matchingKeys(ledger, flags).map((key) => ({ ...key, changes: trustChanges(ledger, key) }));
    if (flags.json) return printJson(this, { ledger: ledger.path, surrogates });
    for (const { surrogate, device, changes } of surrogates) {
      printLine(this, `${surrogate} on ${device}`);
      if (changes.length === 0) printLine(this, "  no change yet: it is in shadow");
      for (const change of changes) printLine(this, `  ${changeLine(change)}`);
    }
  });
}

/** `kernelcast trust explain`. */
export function explain(this: CliContext, flags: TrustFlags): void {
  withLedger(this, flags, (ledger) => {
    const found = matchingKeys(ledger, flags).map((key) => trustStatus(ledger, key));
    if (flags.json) return printJson(this, { ledger: ledger.path, surrogates: found });
    if (found.length === 0)
      printLine(this, "the ledger knows nothing of that: it is in shadow until it has shown what it can do");
    for (const one of found) for (const line of explainLines(one)) printLine(this, line);
  });
}

/** `kernelcast trust set LEVEL`. */
export function set(this: CliContext, flags: SetFlags, name: string): void {
  const level = levelOf(name);
  checkForecaster(flags.forecaster);
  withLedger(this, flags, (ledger) => {
    const key = oneKey(ledger, flags);
    const who = flags.who ?? this.process.env["USER"] ?? "unknown";
    ledger.add(key, [{ kind: "set", level, because: flags.because, who }], Date.now() / 1000);
    const now = trustStatus(ledger, key);
    if (flags.json) printJson(this, now);
    else printLine(this, `${key.surrogate} on ${key.device}: ${now.level}, set by ${who}: ${flags.because}`);
  });
}

/** `kernelcast trust export`. */
export function exportLedger(this: CliContext, flags: ExportFlags): void {
  withLedger(this, flags, (ledger) => {
    const entries = matchingKeys(ledger, flags).flatMap((key) => ledger.entries(key));
    const out = flags.out === undefined ? undefined : resolve(this.process.cwd(), flags.out);
    if (out !== undefined) write(out, ledgerLines(entries));
    if (flags.json)
      printJson(this, {
        ledger: ledger.path,
        out: out ?? null,
        count: entries.length,
        ...(out === undefined ? { entries } : {}),
      });
    else if (out === undefined) this.process.stdout.write(ledgerLines(entries));
    else note(this, `wrote ${entries.length} entries to ${out}`);
  });
}

/** `kernelcast trust import`. */
export function importLedger(this: CliContext, flags: ImportFlags, file: string): void {
  const path = resolve(this.process.cwd(), file);
  const entries = readLedgerLines(read(path), path);
  withLedger(this, flags, (ledger) => {
    const added = ledger.merge(entries);
    if (flags.json) printJson(this, { ledger: ledger.path, read: entries.length, added });
    else printLine(this, `${added} of ${entries.length} entries were new`);
  });
}

function withLedger(
  context: CliContext,
  { workspace, ledger }: ImportFlags,
  work: (ledger: TrustLedger) => void,
): void {
  const opened = openLedgerWithShipped(resolve(context.process.cwd(), ledger ?? join(workspace, "trust.sqlite")));
  try {
    work(opened);
  } finally {
    opened.close();
  }
}

function levelOf(name: string): TrustLevel {
  const level = trustLevels.find((known) => known === name);
  if (level) return level;
  throw new KernelcastError("usage", `${name} is no level of trust (known: ${trustLevels.join(", ")})`);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new KernelcastError("store", `cannot read ${path}: ${fileFault(cause)}`, { cause });
  }
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (cause) {
    throw new KernelcastError("store", `cannot write ${path}: ${fileFault(cause)}`, { cause });
  }
}
