/** What a model is taught to answer: the answers of a form that the measured truth stands for. */
import {
  confirmedDifference,
  keyedUniform,
  passTolerance,
  recordedRuntimeUs,
  speedupBin,
  type FailureStatus,
  type RandomKey,
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

/** Half-widths of taught intervals, from the median to either quantile, in log2 of the time. Apart, they are drawn for each kernel. */
export interface Spread {
  readonly low: number;
  readonly high: number;
}

/** What is taught of one kernel besides its truth. */
interface Sureness {
  readonly spread: number;
  /** P(works) said of a kernel that works; of another, what is left of 1. */
  readonly pOk: number;
}

/** Of a model that is to say always the same. */
const steadyOk = 0.95;

/** Of a model that is to learn by itself how sure to be: it must try all of it. */
const drawnOk = [0.6, 0.99] as const;

/** Digits of a time in an answer: as many as a forecast can mean. */
const digits = 3;

/**
 * How sure a taught answer is: always alike, for the truth of one kernel does not tell how sure one could have been; or drawn, each by
 * itself, so that reinforcement finds every width among what a model says.
 */
export function taughtSureness({ low, high }: Spread, ...key: RandomKey): Sureness {
  if (low === high) return { spread: low, pOk: steadyOk };
  const [least, most] = drawnOk;
  return {
    spread: low * (high / low) ** keyedUniform("spread", ...key),
    pOk: least + (most - least) * keyedUniform("sureness", ...key),
  };
}

/**
 * The listwise answer in words: the measured time as the median, with intervals and probabilities as sure as `sureness` says of a kernel. What does
 * not work is said to take as long as the scale.
 */
export function quantilesAnswer(
  truths: readonly LabelledTruth[],
  scaleLog2Us: number,
  sureness: (kernelId: string) => Sureness,
): string {
  const forecasts = truths.map(({ label, kernelId, log2Us }) => {
    const { spread, pOk } = sureness(kernelId);
    const m = log2Us ?? scaleLog2Us;
    const at = (offset: number): number => Number((2 ** (m + offset)).toPrecision(digits));
    const saidOk = Number((log2Us === null ? 1 - pOk : pOk).toFixed(2));
    return { kernel: label, p_ok: saidOk, us_p10: at(-spread), us_p50: at(0), us_p90: at(spread) };
  });
  return JSON.stringify({ forecasts });
}

/** The letter of a kernel's bin, relative to the measured kernel that the question names. */
export function binAnswer(log2Us: number | null, scale: Scale): string {
  if (log2Us === null) return failureLetter;
  return binLetters[speedupBin(scale.log2Us - log2Us)] as string;
}
