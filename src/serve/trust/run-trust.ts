import { changedEnvironment, foldLedger } from "../../decide/trust/ledger.ts";
import { defaultTrustSettings } from "../../decide/trust/settings.ts";
import type { Device, KeptEntry, Task, TrustEntry, TrustKey } from "../../domain/index.ts";
import type { StepListener } from "../../search/replay.ts";
import type { TrustMode, TrustStart } from "../../search/trust.ts";
import { openTrustLedger, type TrustLedger } from "../../store/trust-ledger.ts";
import { openLedgerWithShipped } from "./shipped-ledger.ts";
import { surrogateRecipe } from "./surrogate-recipe.ts";

export interface OpenRunTrust {
  readonly ledgerPath: string;
  /** Leaves out what the package's forecasters have earned before. */
  readonly unearned?: boolean | undefined;
  readonly mode: TrustMode;
  readonly forecaster: string;
  readonly device: Device;
  readonly task: Task;
  readonly runId: string;
  /** Unix seconds. */
  readonly now?: () => number;
}

/** A run's trust, and what keeps in the ledger what the run shows. */
export interface OpenedRunTrust {
  readonly start: TrustStart;
  readonly listener: StepListener;
  close(): void;
}

/** Opens the ledger for a run. What the run shows is kept as it shows it; a run that goes on tells nothing twice. */
export async function openRunTrust(options: OpenRunTrust): Promise<OpenedRunTrust> {
  const { forecaster, device, mode, task, runId, now = () => Date.now() / 1000 } = options;
  const key = { surrogate: forecaster, recipe: surrogateRecipe(forecaster), device: (await device.describe()).name };
  const environment = await environmentOf(device);
  const ledger = (options.unearned ? openTrustLedger : openLedgerWithShipped)(options.ledgerPath);
  noteEnvironment(ledger, key, environment, now());
  const entries = ledger.entries(key);
  const { record } = foldLedger(entries, defaultTrustSettings);
  const start = {
    key,
    mode,
    family: task.family,
    settings: defaultTrustSettings,
    record,
    known: knownKernels(entries, task.taskId),
    environment,
  };
  return {
    start,
    listener: (_state, _input, { notes }) => {
      const shown = notes.flatMap((note) => toEntry(note, runId) ?? []);
      if (shown.length > 0) ledger.add(key, shown, now());
    },
    close: () => ledger.close(),
  };
}

/** Where a driver, a compiler or a worker is another one than trust was earned with, it goes back to canary. */
function noteEnvironment(
  ledger: TrustLedger,
  key: TrustKey,
  environment: Readonly<Record<string, string>>,
  at: number,
): void {
  const { record, environment: before } = foldLedger(ledger.entries(key), defaultTrustSettings);
  const changed = changedEnvironment(before, environment);
  const guard: readonly TrustEntry[] =
    changed.length > 0 && record.level === "live"
      ? [{ kind: "guard", level: "canary", reason: changed.join("; ") }]
      : [];
  const isNew = Object.entries(environment).some(([name, value]) => before[name] !== value);
  if (isNew) ledger.add(key, [...guard, { kind: "environment", environment }], at);
}

/** Devices behind a worker tell versions; recorded ones have none. */
async function environmentOf(device: Device): Promise<Readonly<Record<string, string>>> {
  return (await device.environment?.()) ?? {};
}

function knownKernels(entries: readonly KeptEntry[], taskId: string): readonly string[] {
  return entries.flatMap(({ entry }) =>
    entry.kind === "label" && entry.label.taskId === taskId ? [entry.label.kernelId] : [],
  );
}

type Note = Parameters<StepListener>[2]["notes"][number];

function toEntry(note: Note, runId: string): TrustEntry | undefined {
  if (note.type === "trust-label") return { kind: "label", label: note.label, runId };
  if (note.type !== "trust-change" || note.by !== "guard" || note.change.kind !== "level") return undefined;
  return { kind: "guard", level: note.change.to, reason: note.change.reason, seal: note.seal };
}
