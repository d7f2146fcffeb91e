/** What a model is taught to answer: the answers of a form that the measured truth stands for. */
import {
  confirmedDifference,
  passTolerance,
  recordedRuntimeUs,
  speedupBin,
  type FailureStatus,
  type RecordedMeasurement,
} from "../../domain/index.ts";
import { binLetters, failureLetter } from "../../forecast/llm/bins.ts";
import type { Scale } from "../../forecast/llm/form.ts";

/** A kernel's truth: log2 of its time in µs, null where it does not work. */
export interface LabelledTruth {
  readonly label: string;
  readonly kernelId: string;
  readonly log2Us: number | null;
}

/** Failures that a kernel shows each time. A crash or a suspicion may be the device's. */
const lastingFailures: readonly FailureStatus[] = ["compile_error", "launch_error", "incorrect", "timeout"];

/** The truth of a measurement that can be taught: a time that two passes agree on, or a lasting failure. */
export function confirmedTruth(measurement: RecordedMeasurement): number | null | undefined {
  const { status } = measurement;
  if (status !== "ok") return lastingFailures.includes(status) ? null : undefined;
  const difference = confirmedDifference(measurement);
  const us = recordedRuntimeUs(measurement);
  return us !== undefined && difference !== undefined && difference <= passTolerance ? Math.log2(us) : undefined;
}

/** How sure a taught answer is that a kernel works, or does not. */
const sureOk = 0.95;

/** Digits of a time in an answer: as many as a forecast can mean. */
const digits = 3;

/**
 * The listwise answer in words: the measured time as the median, and intervals of one width, `spread` in log2 units from the median to
 * either quantile, for the truth of one kernel does not tell how sure one could have been. What does not work is said to take as long as the scale.
 */
export function quantilesAnswer(
  truths: readonly LabelledTruth[],
  { scaleLog2Us, spread }: { readonly scaleLog2Us: number; readonly spread: number },
): string {
  const forecasts = truths.map(({ label, log2Us }) => {
    const m = log2Us ?? scaleLog2Us;
    const at = (offset: number): number => Number((2 ** (m + offset)).toPrecision(digits));
    const pOk = log2Us === null ? Number((1 - sureOk).toFixed(2)) : sureOk;
    return { kernel: label, p_ok: pOk, us_p10: at(-spread), us_p50: at(0), us_p90: at(spread) };
  });
  return JSON.stringify({ forecasts });
}

/** The letter of a kernel's bin, relative to the measured kernel that the question names. */
export function binAnswer(log2Us: number | null, scale: Scale): string {
  if (log2Us === null) return failureLetter;
  return binLetters[speedupBin(scale.log2Us - log2Us)] as string;
}
