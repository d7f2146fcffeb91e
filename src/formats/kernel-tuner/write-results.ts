import {
  KernelcastError,
  type Measurement,
  type MeasurementStatus,
  type RunStore,
  type Runtime,
} from "../../domain/index.ts";
import type { CandidateRecord, SearchInput } from "../../search/events.ts";

const invalidities: Readonly<Record<MeasurementStatus, string>> = {
  ok: "correct",
  compile_error: "compile",
  launch_error: "runtime",
  crashed: "runtime",
  timeout: "timeout",
  incorrect: "correctness",
  suspicious: "correctness",
};

interface RunOutcomes {
  readonly candidates: ReadonlyMap<string, CandidateRecord>;
  /** Median of the runtime's forecast in milliseconds. */
  readonly forecastsMs: ReadonlyMap<string, number>;
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

interface Outcome {
  /** Seconds since the run's start. */
  readonly at: number;
  readonly status: MeasurementStatus;
  readonly compileMs: number;
  readonly gpuMs: number;
  readonly runtime?: Runtime;
}

/** A document in the T4 format. */
export interface ResultsDocument {
  readonly schema_version: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly results: readonly unknown[];
}

/**
 * A run's measured kernels in the T4 format; a kernel that was not measured has no result, and is left out. Throws
 * `KernelcastError("store", …)` for an unknown run.
 */
export function runResults(store: RunStore, runId: string): ResultsDocument {
  const run = store.run(runId);
  if (!run) throw new KernelcastError("store", `no run named ${runId}`);
  const { candidates, forecastsMs, outcomes } = readOutcomes(store, runId);
  const known = [...outcomes].flatMap(([kernelId, outcome]) => {
    const candidate = candidates.get(kernelId);
    return candidate ? [{ candidate, outcome }] : [];
  });
  const isSpace = new Set(known.map(({ candidate }) => shapeOf(candidate))).size === 1;
  const results = known.map(({ candidate, outcome }) => ({
    timestamp: new Date((run.createdAt + outcome.at) * 1000).toISOString(),
    configuration: isSpace ? defines(candidate) : lineage(candidate),
    ...verdict(outcome, forecastsMs.get(candidate.kernelId)),
    objectives: ["time"],
  }));
  return { schema_version: "1.0.0", metadata: { timeunit: "milliseconds", run: runId }, results };
}

function readOutcomes(store: RunStore, runId: string): RunOutcomes {
  const candidates = new Map<string, CandidateRecord>();
  const forecastsMs = new Map<string, number>();
  const outcomes = new Map<string, Outcome>();
  let startedAt: number | undefined;
  for (const event of store.events(runId)) {
    // Live times are a clock's, recorded ones begin at 0.
    startedAt ??= event.at;
    const at = event.at - startedAt;
    const input = event.payload as SearchInput;
    if (input.type === "run-start") candidates.set(input.seedKernel.kernelId, input.seedKernel);
    if (input.type === "proposal-end") for (const record of input.candidates) candidates.set(record.kernelId, record);
    if (input.type === "forecast-end") {
      for (const { kernelId, m } of input.forecasts) forecastsMs.set(kernelId, 2 ** m / 1000);
    }
    if (input.type === "compile-end") {
      const failed = input.outcomes.filter(({ ok }) => !ok);
      for (const { kernelId } of failed)
        outcomes.set(kernelId, { at, status: "compile_error", compileMs: 0, gpuMs: 0 });
    }
    if (input.type === "measurement-end") outcomes.set(input.measurement.kernelId, toOutcome(input.measurement, at));
  }
  return { candidates, forecastsMs, outcomes };
}

function toOutcome(measurement: Measurement, at: number): Outcome {
  const { status, evidence, cost } = measurement;
  const base = { at, status, compileMs: evidence?.compileMs ?? 0, gpuMs: cost.gpuSeconds * 1000 };
  return measurement.status === "ok" ? { ...base, runtime: measurement.runtime } : base;
}

/** Kernels of one shape differ in the values of their parameters alone, so that these tell which is which. */
function shapeOf(candidate: CandidateRecord): string {
  return JSON.stringify([candidate.sourceSha256, Object.keys(defines(candidate))]);
}

/** What `-DNAME=VALUE` options define; numbers as numbers. */
function defines({ compileOptions }: CandidateRecord): Record<string, number | string> {
  return Object.fromEntries(
    compileOptions.flatMap((option) => {
      const [, name, value = ""] = /^-D(\w+)=(.*)$/s.exec(option) ?? [];
      if (name === undefined || name === "kernel_tuner") return [];
      return [[name, value.trim() === "" || Number.isNaN(Number(value)) ? value : Number(value)]];
    }),
  );
}

function lineage(candidate: CandidateRecord): Record<string, unknown> {
  const { kernelId, parentId, origin } = candidate;
  return { candidate_sha: kernelId, parent_sha: parentId ?? "", strategy: origin };
}

function verdict({ status, compileMs, gpuMs, runtime }: Outcome, forecastMs: number | undefined) {
  return {
    times: {
      // The schema has one name, its writers use the other.
      compilation_time: compileMs,
      compilation: compileMs,
      benchmark: gpuMs,
      runtimes: runtime ? samplesMs(runtime) : [],
      framework: 0,
      search_algorithm: 0,
      validation: 0,
    },
    invalidity: invalidities[status],
    correctness: runtime ? 1 : 0,
    measurements: [
      ...(runtime ? [{ name: "time", value: runtime.medianUs / 1000, unit: "ms" }] : []),
      ...(forecastMs === undefined ? [] : [{ name: "forecast", value: forecastMs, unit: "ms" }]),
    ],
  };
}

/** Where a recording kept no samples, the median stands for them. */
function samplesMs({ samplesUs, medianUs }: Runtime): number[] {
  return (samplesUs.length > 0 ? samplesUs : [medianUs]).map((sample) => sample / 1000);
}
