import { createPolicy, type PolicyName } from "../../decide/policies.ts";
import { canonicalJson, type RunStore } from "../../domain/index.ts";
import { syntheticDevice, syntheticForecaster, syntheticProposer, syntheticTask } from "../../testing/synthetic.ts";
import { chooseRun } from "../choose-run.ts";
import type { SearchConfig } from "../events.ts";
import type { RunSearchOptions } from "../run-search.ts";

/** A configuration for the synthetic stages: 24 measurements, one at a time. */
export function syntheticConfig(policy: PolicyName, overrides: Partial<SearchConfig> = {}): SearchConfig {
  return {
    taskId: "synthetic",
    taskSha256: "0",
    device: "synthetic",
    proposer: "synthetic",
    forecaster: "synthetic",
    policy,
    seed: 1,
    budget: { measurements: 24 },
    winLog2: Math.log2(1.02),
    measureConcurrency: 1,
    openBatches: 1,
    strategy: { explore: 1, archive: 1000 },
    ...overrides,
  };
}

/** A search on the synthetic stages, entered in the store. */
export function syntheticRun(policy: PolicyName, store: RunStore, overrides: Partial<SearchConfig> = {}): RunSearchOptions {
  const settings = syntheticConfig(policy, overrides);
  const { runId } = chooseRun(store, settings, { createdAt: 0 });
  const stages = {
    task: syntheticTask(),
    device: syntheticDevice(settings.measureConcurrency),
    proposer: syntheticProposer(),
    forecaster: syntheticForecaster(),
  };
  return { runId, config: settings, policy: createPolicy(policy), stages, store };
}

/** A run's log as text, event by event. */
export function logOf(store: RunStore, runId: string): string[] {
  return [...store.events(runId)].map((event) => canonicalJson(event));
}

/** Copies the sources that an event names from one store to another. */
export function copySource(from: RunStore, to: RunStore, payload: unknown): void {
  for (const [, sha256] of JSON.stringify(payload).matchAll(/"sourceSha256":"([0-9a-f]{64})"/g)) {
    to.putBlob(from.blob(sha256 as string) as string);
  }
}
