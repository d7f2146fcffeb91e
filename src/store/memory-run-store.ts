import {
  KernelcastError,
  sha256Hex,
  type RunStore,
  type RunSummary,
  type StoredEvent,
  type Submission,
} from "../domain/index.ts";
import { requireOpenForSubmissions } from "./submission-refusal.ts";

/** A `RunStore` that lives as long as the process: for tests, benches and library users who keep no history. */
export function createMemoryRunStore(): RunStore {
  const runs = new Map<string, RunSummary>();
  const logs = new Map<string, StoredEvent[]>();
  const blobs = new Map<string, string>();
  const submitted = new Map<string, Submission[]>();
  const complete = new Set<string>();
  const log = (runId: string): StoredEvent[] => {
    const events = logs.get(runId);
    if (!events) throw new KernelcastError("store", `no run named ${runId}`);
    return events;
  };
  return {
    createRun(run) {
      if (runs.has(run.runId)) throw new KernelcastError("store", `a run of this name exists: ${run.runId}`);
      runs.set(run.runId, { ...run, finishedAt: null });
      logs.set(run.runId, []);
    },
    runs: () => [...runs.values()],
    run: (runId) => runs.get(runId),
    append(runId, events) {
      const existing = log(runId);
      const expected = existing.length;
      events.forEach((event, index) => {
        if (event.seq !== expected + index) {
          throw new KernelcastError("store", `run ${runId}: event ${event.seq} follows ${expected + index - 1}`);
        }
      });
      for (const event of events) existing.push({ runId, ...event });
    },
    events: (runId, fromSeq = 0) => log(runId).slice(fromSeq),
    finishRun(runId, at) {
      const run = runs.get(runId);
      if (run) runs.set(runId, { ...run, finishedAt: at });
    },
    submit(runId, candidates, { last = false } = {}) {
      requireOpenForSubmissions(runId, runs.get(runId), complete.has(runId));
      const earlier = submitted.get(runId) ?? [];
      const added = candidates.map((candidate, index) => ({ number: earlier.length + 1 + index, candidate }));
      submitted.set(runId, [...earlier, ...added]);
      if (last) complete.add(runId);
      return added.map(({ number }) => number);
    },
    submissions: (runId, after = 0) => ({
      submissions: (submitted.get(runId) ?? []).filter(({ number }) => number > after),
      complete: complete.has(runId),
    }),
    putBlob(text) {
      const sha256 = sha256Hex(text);
      blobs.set(sha256, text);
      return sha256;
    },
    putBlobs(texts) {
      return texts.map((text) => this.putBlob(text));
    },
    blob: (sha256) => blobs.get(sha256),
    close: () => undefined,
  };
}
