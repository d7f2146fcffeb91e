import {
  canonicalJson,
  sha256Hex,
  type Forecaster,
  type Policy,
  type RecordedMeasurement,
} from "../../domain/index.ts";
import { searchDefaults, virtualOpenBatches } from "../../search/defaults.ts";
import type { SearchConfig, SearchInput } from "../../search/events.ts";
import { runSearch } from "../../search/run-search.ts";
import type { SearchState } from "../../search/state.ts";
import { createMemoryRunStore } from "../../store/memory-run-store.ts";
import type { BenchTask } from "./bench-task.ts";

/** One search of a bench: what it found, how fast, at what cost. */
export interface SearchCell {
  /**
   * Runtime in µs of the best kernel after each measurement, the seed kernel's being the first: of the kernel that was fastest when
   * it was measured, the recorded truth, so that luck in measuring gains nothing.
   */
  readonly bestUs: readonly number[];
  /** Recorded truth of the fastest kernel that was proposed, measured or not. */
  readonly bestProposedUs: number;
  /** Different kernels considered, the seed kernel included. */
  readonly considered: number;
  readonly measured: number;
  readonly failed: number;
  readonly gpuSeconds: number;
  /** What forecasts and proposals cost. */
  readonly usd: number;
  readonly tokens: number;
  readonly stopped: string;
}

/** How one arm searches. */
export interface SearchPlan {
  /** The forecaster's specification, by which a search knows what it learns from; the arm's name where it has none. */
  readonly asked: string;
  readonly policy: Policy;
  readonly forecaster: Forecaster | undefined;
  readonly strategy: SearchConfig["strategy"];
  readonly seed: number;
  readonly measurements: number;
  readonly signal?: AbortSignal;
}

/** Runs one search on a recorded task, as `kernelcast search` does, but for its log, which is not kept. */
export async function runCell(benchTask: BenchTask, plan: SearchPlan): Promise<SearchCell> {
  const { task, device, proposer } = benchTask;
  const { policy, forecaster, signal } = plan;
  const store = createMemoryRunStore();
  const config = configOf(benchTask, plan);
  const runId = "bench";
  store.createRun({ runId, configKey: runId, config, createdAt: 0 });
  const curve = createCurve(benchTask);
  const state = await runSearch({
    runId,
    config,
    policy,
    stages: { task, device, proposer, forecaster },
    store,
    ...(signal ? { signal } : {}),
    listener: (_state, input) => curve.see(input),
  });
  return toCell(benchTask, state, curve.bestUs);
}

function configOf(
  { task, device }: BenchTask,
  { asked, policy, strategy, seed, measurements }: SearchPlan,
): SearchConfig {
  return {
    ...searchDefaults,
    taskId: task.taskId,
    taskSha256: sha256Hex(canonicalJson(task)),
    device: device.name,
    proposer: "recorded",
    forecaster: asked,
    policy: policy.name,
    seed,
    budget: { measurements },
    measureConcurrency: device.concurrency,
    openBatches: virtualOpenBatches,
    strategy,
  };
}

interface Curve {
  readonly bestUs: number[];
  see(input: SearchInput): void;
}

function createCurve({ recording, task, deviceName, truthUs }: BenchTask): Curve {
  const recorded: ReadonlyMap<string, RecordedMeasurement> = recording.measurements(task.taskId, deviceName);
  const bestUs: number[] = [];
  let fastestSeen = Infinity;
  let best = Infinity;
  return {
    bestUs,
    see(input) {
      if (input.type !== "measurement-end" || !input.commandId.startsWith("screen:")) return;
      const { kernelId } = input.measurement;
      const seenUs = input.measurement.status === "ok" ? recorded.get(kernelId)?.runtime?.medianUs : undefined;
      if (seenUs !== undefined && seenUs < fastestSeen) {
        fastestSeen = seenUs;
        best = truthUs.get(kernelId) ?? seenUs;
      }
      bestUs.push(best);
    },
  };
}

function toCell({ truthUs }: BenchTask, state: SearchState, bestUs: readonly number[]): SearchCell {
  const proposed = [...state.candidates.keys()].map((kernelId) => truthUs.get(kernelId) ?? Infinity);
  const { measured, failed } = state.counts;
  return {
    bestUs,
    bestProposedUs: Math.min(...proposed),
    considered: state.candidates.size,
    measured,
    failed,
    gpuSeconds: state.spent.gpuSeconds,
    usd: state.spent.usd,
    tokens: state.spent.tokens,
    stopped: state.ended ?? "",
  };
}
