import { toQuantilesUs, type Measurement } from "../../domain/index.ts";
import type { KernelFate, RunFollower } from "./follow-run.ts";

/**
 * Where a submitted candidate stands: `queued` (the run has not taken it), `considered`, `duplicate`, `skipped`, `measuring`, `ok`,
 * `failed`, or `not-considered` when the run ended before it.
 */
export type SubmissionStatus =
  | "queued"
  | "considered"
  | "duplicate"
  | "skipped"
  | "measuring"
  | "ok"
  | "failed"
  | "not-considered";

/** What became of one submitted kernel, in the words of the `--json` document; runtimes in µs. */
export interface SubmissionDocument {
  readonly submission: number;
  readonly name: string;
  readonly kernel_id: string;
  readonly status: SubmissionStatus;
  readonly duplicate_of?: string;
  readonly duplicate_by?: string;
  readonly forecast?: {
    readonly p_ok: number;
    readonly runtime_us: { readonly p10: number; readonly p50: number; readonly p90: number };
  };
  readonly decision?: { readonly action: string; readonly reason: string };
  readonly measurement?: {
    readonly status: string;
    readonly runtime_us?: number;
    /** The seed's runtime over this one's. */
    readonly speedup?: number;
    readonly error?: string;
  };
  /** Whether it is the fastest confirmed kernel of the run now. */
  readonly incumbent?: boolean;
}

/** Whether nothing more is to be waited for. */
export function isSettled({ status }: Pick<SubmissionDocument, "status">): boolean {
  return status !== "queued" && status !== "considered" && status !== "measuring";
}

/** Writes down what a run's log says of a submission. */
export function describeSubmission(
  follower: RunFollower,
  submission: { readonly number: number; readonly name: string; readonly kernelId: string },
): SubmissionDocument {
  const { number, name, kernelId } = submission;
  const fate = follower.fateOf(number);
  const status = statusOf(fate, follower.ended() !== undefined);
  return {
    submission: number,
    name,
    kernel_id: kernelId,
    status,
    ...(fate?.duplicate ? { duplicate_of: fate.duplicate.of, duplicate_by: fate.duplicate.by } : {}),
    ...forecastOf(fate),
    ...(fate?.decision ? { decision: { action: fate.decision.action, reason: fate.decision.reason } } : {}),
    ...measurementOf(fate, follower.seedUs()),
    ...(status === "ok" ? { incumbent: follower.incumbentId() === kernelId } : {}),
  };
}

function statusOf(fate: KernelFate | undefined, ended: boolean): SubmissionStatus {
  if (!fate) return ended ? "not-considered" : "queued";
  if (fate.duplicate) return "duplicate";
  if (fate.compileError !== undefined) return "failed";
  if (fate.measurement) return fate.measurement.status === "ok" ? "ok" : "failed";
  if (fate.decision?.action === "skip") return "skipped";
  if (ended) return "not-considered";
  return isChosen(fate.decision) ? "measuring" : "considered";
}

/** One that a stronger surrogate is asked about is not decided yet. */
function isChosen(decision: KernelFate["decision"]): boolean {
  return decision?.action === "measure" || decision?.action === "audit";
}

function forecastOf(fate: KernelFate | undefined): Pick<SubmissionDocument, "forecast"> {
  if (!fate?.forecast) return {};
  const { p10, p50, p90 } = toQuantilesUs(fate.forecast);
  return {
    forecast: { p_ok: round(fate.forecast.pOk), runtime_us: { p10: round(p10), p50: round(p50), p90: round(p90) } },
  };
}

function measurementOf(
  fate: KernelFate | undefined,
  seedUs: number | undefined,
): Pick<SubmissionDocument, "measurement"> {
  if (fate?.compileError !== undefined) return { measurement: { status: "compile_error", error: fate.compileError } };
  return fate?.measurement ? { measurement: figuresOf(fate.measurement, seedUs) } : {};
}

function figuresOf(
  measurement: Measurement,
  seedUs: number | undefined,
): NonNullable<SubmissionDocument["measurement"]> {
  if (measurement.status !== "ok") return { status: measurement.status, error: measurement.error };
  const { medianUs } = measurement.runtime;
  const speedup = seedUs === undefined ? {} : { speedup: round(seedUs / medianUs) };
  return { status: "ok", runtime_us: round(medianUs), ...speedup };
}

function round(value: number): number {
  return Number(value.toPrecision(6));
}
