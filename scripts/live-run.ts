import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { createPolicy, type PolicyName } from "../src/decide/policies.ts";
import { sha256Hex, type StoredEvent } from "../src/domain/index.ts";
import type { SearchConfig } from "../src/search/events.ts";
import { replayRun } from "../src/search/replay.ts";
import type { SearchState } from "../src/search/state.ts";
import { summarise, type SearchSummary } from "../src/search/summary.ts";
import { createMemoryRunStore } from "../src/store/memory-run-store.ts";

/** The members of a worker's receipt that the results pages show. */
export interface Receipt {
  readonly controls_ok: boolean;
  readonly environment_before: {
    readonly device: string;
    readonly driver: string;
    readonly throttle: readonly string[];
  };
}

/** An exported run (scripts/export-run.ts) whose log was replayed and whose receipts were matched with it. */
export interface LiveRun {
  readonly summary: SearchSummary;
  /** At its end. */
  readonly state: SearchState;
  readonly events: readonly StoredEvent[];
  readonly receipts: readonly Receipt[];
}

/**
 * Reads an exported run and proves it: every decision of the log follows again from what came before it, every measurement
 * that names a receipt has one with that hash, and nothing else is among the receipts. Throws where it does not hold.
 */
export function readLiveRun(folder: string): LiveRun {
  const events = readEvents(folder);
  const [first] = events;
  if (!first) throw new Error(`${folder}: its log is empty`);
  const { config } = first.payload as { config: SearchConfig };
  const store = createMemoryRunStore();
  store.createRun({ runId: first.runId, configKey: "", config, createdAt: first.at });
  store.append(first.runId, events);
  const replayed = replayRun(store, first.runId, createPolicy(config.policy as PolicyName));
  if (!replayed) throw new Error(`${folder}: its log has no run`);
  const { state } = replayed;
  return { summary: summarise(first.runId, state), state, events, receipts: matchReceipts(folder, events) };
}

/** Version of the events that an exported run's log holds. */
export function logVersion(folder: string): number | undefined {
  return readEvents(folder)[0]?.version;
}

/** The receipts that an exported run's measurements name. Throws where one is missing, changed or too many. */
export function readReceipts(folder: string): readonly Receipt[] {
  return matchReceipts(folder, readEvents(folder));
}

function readEvents(folder: string): readonly StoredEvent[] {
  return jsonLines(join(folder, "events.jsonl.gz")).map((line) => JSON.parse(line) as StoredEvent);
}

function matchReceipts(folder: string, events: readonly StoredEvent[]): readonly Receipt[] {
  const texts = new Map(jsonLines(join(folder, "receipts.jsonl.gz")).map((text) => [sha256Hex(text), text]));
  const named = events.flatMap(({ type, payload }) => {
    if (type !== "measurement-end") return [];
    const { receiptSha256 } = (payload as { measurement: { receiptSha256?: string } }).measurement;
    return receiptSha256 === undefined ? [] : [receiptSha256];
  });
  const missing = named.filter((sha256) => !texts.has(sha256));
  if (missing.length > 0) throw new Error(`${folder}: no receipt with the hash ${missing[0]}`);
  if (texts.size !== new Set(named).size) throw new Error(`${folder}: receipts that no measurement names`);
  return named.map((sha256) => JSON.parse(texts.get(sha256) ?? "") as Receipt);
}

function jsonLines(path: string): readonly string[] {
  return gunzipSync(readFileSync(path))
    .toString()
    .split("\n")
    .filter((line) => line !== "");
}
