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
import { reasonKey } from "../../forecast/llm/forms/reasons.ts";

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

/** What an answer says of each kernel besides its truth. */
export interface Told {
  readonly sureness: (kernelId: string) => Sureness;
  /** A short reason, where reasons are asked for. */
  readonly reason?: (kernelId: string) => string;
}

/** Truths of the kernels of a list, the measured kernel that times are told by, and what else is said. */
interface Taught {
  readonly truths: readonly LabelledTruth[];
  readonly scaleLog2Us: number;
  readonly told: Told;
}

/**
 * The listwise answer in words: the measured time as the median, with intervals and probabilities as sure as `told` says of a kernel. What does
 * not work is said to take as long as the scale.
 */
export function quantilesAnswer({ truths, scaleLog2Us, told }: Taught): string {
  return listAnswer(truths, told, ({ log2Us }, { spread, pOk }) => {
    const at = (offset: number): number => Number((2 ** ((log2Us ?? scaleLog2Us) + offset)).toPrecision(digits));
    return { p_ok: pOk, us_p10: at(-spread), us_p50: at(0), us_p90: at(spread) };
  });
}

/** The same in doublings of the scale's time. */
export function doublingsAnswer({ truths, scaleLog2Us, told }: Taught): string {
  return listAnswer(truths, told, ({ log2Us }, { spread, pOk }) => {
    const width = hundredths(spread);
    return { doublings: hundredths((log2Us ?? scaleLog2Us) - scaleLog2Us), less: width, more: width, p_ok: pOk };
  });
}

function listAnswer(
  truths: readonly LabelledTruth[],
  { sureness, reason }: Told,
  numbers: (truth: LabelledTruth, sureness: Sureness) => object,
): string {
  const forecasts = truths.map((truth) => {
    const { label, kernelId, log2Us } = truth;
    const { spread, pOk } = sureness(kernelId);
    const said = { spread, pOk: hundredths(log2Us === null ? 1 - pOk : pOk) };
    return { kernel: label, ...(reason ? { [reasonKey]: reason(kernelId) } : {}), ...numbers(truth, said) };
  });
  return JSON.stringify({ forecasts });
}

function hundredths(value: number): number {
  return Number(value.toFixed(2));
}

/** The letter of a kernel's bin, relative to the measured kernel that the question names. */
export function binAnswer(log2Us: number | null, scale: Scale): string {
  if (log2Us === null) return failureLetter;
  return binLetters[speedupBin(scale.log2Us - log2Us)] as string;
}
