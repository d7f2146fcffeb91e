import {
  canonicalJson,
  recordedPasses,
  type MeasurementStatus,
  type RecordedMeasurement,
  type Runtime,
} from "../domain/index.ts";

/**
 * Which verdict stands when two differ: a kernel that failed once is not a working kernel, but a crash may have been the
 * machine's.
 */
const precedence: readonly MeasurementStatus[] = [
  "incorrect",
  "suspicious",
  "compile_error",
  "launch_error",
  "timeout",
  "ok",
  "crashed",
];

/**
 * What became of the second of two measurements: `same` said nothing new; `added` gave the second or third pass;
 * `surplus` was a fourth pass or more and is not kept; `conflict` disagreed in status.
 */
export type CombineOutcome = "same" | "added" | "surplus" | "conflict";

export interface CombinedMeasurement {
  readonly measurement: RecordedMeasurement;
  readonly outcome: CombineOutcome;
}

/** A third pass decides where two disagree; more would make the recorded truth hang on how often a kernel was tried. */
const mostPasses = 3;

/**
 * Adds up two measurements of one kernel on one device. Runtimes fill the passes 1 to 3 in order, equal ones once. Of
 * two verdicts the one that stands first in: incorrect, suspicious, compile_error, launch_error, timeout, ok, crashed.
 */
export function combineMeasurements(first: RecordedMeasurement, second: RecordedMeasurement): CombinedMeasurement {
  if (first.status !== second.status) return { measurement: verdict(first, second), outcome: "conflict" };
  if (first.status !== "ok") return { measurement: first, outcome: "same" };
  const known = recordedPasses(first).length;
  const distinct = distinctRuntimes([...recordedPasses(first), ...recordedPasses(second)]);
  const outcome = distinct.length === known ? "same" : distinct.length > mostPasses ? "surplus" : "added";
  if (outcome === "same" || known === mostPasses) return { measurement: first, outcome };
  return { measurement: withPasses(first, second, distinct), outcome };
}

function verdict(first: RecordedMeasurement, second: RecordedMeasurement): RecordedMeasurement {
  const rank = ({ status }: RecordedMeasurement): number => precedence.indexOf(status);
  return rank(second) < rank(first) ? second : first;
}

function withPasses(
  first: RecordedMeasurement,
  second: RecordedMeasurement,
  distinct: readonly Runtime[],
): RecordedMeasurement {
  const [runtime, runtimePass2, runtimePass3] = distinct;
  const contained = distinct.length === recordedPasses(second).length;
  const gpuMs = contained ? second.gpuMs : sum(first.gpuMs, second.gpuMs);
  return {
    ...second,
    ...first,
    ...(runtime ? { runtime } : {}),
    ...(runtimePass2 ? { runtimePass2 } : {}),
    ...(runtimePass3 ? { runtimePass3 } : {}),
    ...(first.evidence || second.evidence ? { evidence: { ...second.evidence, ...first.evidence } } : {}),
    ...(gpuMs === undefined ? {} : { gpuMs }),
  };
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);
}

function distinctRuntimes(passes: readonly Runtime[]): Runtime[] {
  return [...new Map(passes.map((pass) => [canonicalJson(pass), pass])).values()];
}

/** The sum of measurements, and what adding them up found. */
export interface AddedMeasurements {
  readonly measurements: readonly RecordedMeasurement[];
  /** Second measurements of a kernel on a device, by what became of them. */
  readonly outcomes: Readonly<Record<CombineOutcome, number>>;
  readonly conflicts: readonly MeasurementConflict[];
}

/** A kernel whose measurements differ in status. */
export interface MeasurementConflict {
  readonly kernelId: string;
  readonly device: string;
  readonly statuses: readonly [MeasurementStatus, MeasurementStatus];
}

/** One measurement per kernel and device, in order of first appearance. */
export function addUpMeasurements(all: readonly RecordedMeasurement[]): AddedMeasurements {
  const sums = new Map<string, RecordedMeasurement>();
  const outcomes = { same: 0, added: 0, surplus: 0, conflict: 0 };
  const conflicts: MeasurementConflict[] = [];
  for (const measurement of all) {
    const { kernelId, device } = measurement;
    const key = `${kernelId}\n${device}`;
    const earlier = sums.get(key);
    const combined = earlier && combineMeasurements(earlier, measurement);
    sums.set(key, combined?.measurement ?? measurement);
    if (!combined) continue;
    outcomes[combined.outcome]++;
    if (combined.outcome === "conflict") {
      conflicts.push({ kernelId, device, statuses: [earlier.status, measurement.status] });
    }
  }
  return { measurements: [...sums.values()], outcomes, conflicts };
}
