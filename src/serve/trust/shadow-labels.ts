import { createPolicy } from "../../decide/policies.ts";
import { defaultTrustSettings } from "../../decide/trust/settings.ts";
import { freshRecord } from "../../decide/trust/trust-record.ts";
import { canonicalJson, sha256Hex, type Forecaster, type TrustKey, type TrustLabel } from "../../domain/index.ts";
import type { BenchTask } from "../../evaluate/searches/bench-task.ts";
import { searchDefaults, virtualOpenBatches } from "../../search/defaults.ts";
import { runSearch } from "../../search/run-search.ts";
import type { TrustStart } from "../../search/trust.ts";
import { createMemoryRunStore } from "../../store/memory-run-store.ts";

export interface ShadowSearch {
  readonly key: TrustKey;
  readonly forecaster: Forecaster;
  readonly measurements: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** What a forecaster's sealed forecasts came to in one search in shadow, whose log is not kept. */
export async function shadowLabels(
  { task, device, proposer }: BenchTask,
  { key, forecaster, measurements, seed, signal }: ShadowSearch,
): Promise<readonly TrustLabel[]> {
  const policy = createPolicy("gate");
  const store = createMemoryRunStore();
  const config = {
    ...searchDefaults,
    taskId: task.taskId,
    taskSha256: sha256Hex(canonicalJson(task)),
    device: device.name,
    proposer: "recorded",
    forecaster: key.surrogate,
    policy: policy.name,
    trust: "shadow",
    seed,
    budget: { measurements },
    measureConcurrency: device.concurrency,
    openBatches: virtualOpenBatches,
  } as const;
  const runId = "shadow";
  store.createRun({ runId, configKey: runId, config, createdAt: 0 });
  const labels: TrustLabel[] = [];
  await runSearch({
    runId,
    config,
    policy,
    stages: { task, device, proposer, forecaster },
    store,
    trust: startOf(key, task.family),
    ...(signal ? { signal } : {}),
    listener: (_state, _input, { notes }) => {
      for (const note of notes) if (note.type === "trust-label") labels.push(note.label);
    },
  });
  return labels;
}

function startOf(key: TrustKey, family: string): TrustStart {
  const settings = defaultTrustSettings;
  return { key, mode: "shadow", family, settings, record: freshRecord(settings), known: [], environment: {} };
}
