import type { Candidate, Forecast, PolicyContext } from "../../domain/index.ts";
import { expectedGain, winProbability, type Target } from "./gain.ts";

/** A candidate with what its forecast promises. */
export interface Prospect {
  readonly candidate: Candidate;
  readonly kernelId: string;
  readonly forecast: Forecast;
  /** The forecaster gave none: the prior stands in. */
  readonly unforecast: boolean;
  /** It was skipped before and is no member of the batch. */
  readonly pending: boolean;
  readonly winProbability: number;
  readonly gain: number;
  /** Taken to fail, whatever its runtime. */
  readonly fails: boolean;
}

/** What is known of a candidate without a forecast: twice as slow as the incumbent, give or take as much, and mostly right. */
const prior = { pOk: 0.8, m: 1, sigmaLow: 1, sigmaHigh: 1 } as const;

export function targetOf({ incumbentUs, planning }: PolicyContext): Target {
  return { incumbentLog2Us: Math.log2(incumbentUs), winLog2: planning?.winLog2 ?? Math.log2(1.02) };
}

/** The batch's candidates in their order, then the pending ones. */
export function prospectsOf(context: PolicyContext, target: Target, surelyFails: number): readonly Prospect[] {
  const toProspect = (candidate: Candidate, pending: boolean): Prospect => {
    const { kernelId } = candidate.kernel;
    const known = context.forecasts.get(kernelId);
    const forecast = known ?? { ...prior, kernelId, m: target.incumbentLog2Us + prior.m };
    const gain = expectedGain(forecast, target);
    return {
      candidate,
      kernelId,
      forecast,
      unforecast: known === undefined,
      pending,
      winProbability: winProbability(forecast, target),
      gain,
      fails: forecast.pOk < surelyFails,
    };
  };
  return [
    ...context.candidates.map((candidate) => toProspect(candidate, false)),
    ...(context.planning?.pending ?? []).map((candidate) => toProspect(candidate, true)),
  ];
}

/** The most promising, best first; ties by id, so that the order of arrival decides nothing. */
export function mostPromising(prospects: readonly Prospect[], most: number): readonly Prospect[] {
  return prospects
    .filter(({ gain, fails }) => gain > 0 && !fails)
    .sort((a, b) => b.gain - a.gain || (a.kernelId < b.kernelId ? -1 : 1))
    .slice(0, most);
}
