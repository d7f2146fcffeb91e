import type { Decision, DecisionAction } from "../../domain/index.ts";
import type { Choice } from "./choose-batch.ts";
import type { Target } from "./gain.ts";
import type { Look } from "./look-further.ts";
import type { Prospect } from "./prospects.ts";
import type { Weighing } from "./weigh.ts";

/** What a decision tells beside the forecast. */
export interface Finding {
  readonly action: DecisionAction;
  readonly reason: string;
  readonly numbers?: Readonly<Record<string, number>>;
}

/** A decision on a candidate, with the numbers that every decision of the gate carries. */
export function toDecision(prospect: Prospect, target: Target, { action, reason, numbers }: Finding): Decision {
  const { kernelId, forecast, unforecast, winProbability, gain } = prospect;
  return {
    kernelId,
    action,
    reason: unforecast ? `${reason}; without a forecast, by the prior` : reason,
    numbers: {
      p_win: winProbability,
      gain_log2: gain,
      p_ok: forecast.pOk,
      forecast_us: 2 ** forecast.m,
      incumbent_us: 2 ** target.incumbentLog2Us,
      ...numbers,
    },
    ...(unforecast ? {} : { forecast }),
  };
}

export function measured(choice: Choice, place: number, { shortlist, choices, costUsd }: Weighing): Finding {
  const { prospect, information, value } = shortlist[choice.row] as Weighing["shortlist"][number];
  const again = prospect.pending ? "skipped before, now " : "";
  const why =
    information > prospect.gain ? `unsure, and alike to others: measured for what it tells` : promiseOf(prospect);
  const shares = choice.ownShare < 0.995 ? `, ${percent(choice.ownShare)} of it beside those chosen before` : "";
  return {
    action: "measure",
    reason: `${again}${why}${shares}; choice ${place + 1} of ${choices.length}`,
    numbers: {
      value_log2: value,
      information_log2: information,
      own_share: choice.ownShare,
      choice: place + 1,
      ...(costUsd > 0 ? { cost_usd: costUsd, value_per_usd: choice.marginal } : {}),
    },
  };
}

/** Why a candidate waits while the next proposals are seen. */
export function putOff(prospect: Prospect, { share }: Look): Finding {
  return {
    action: "skip",
    reason: `${promiseOf(prospect)}: others are seen first, for the best on offer may be better by ${percent(share)}`,
    numbers: { look_share: share },
  };
}

/** Why a candidate is not measured now. */
export function skipped(
  prospect: Prospect,
  weighing: Weighing,
  { surelyFails, measurementsLeft }: { readonly surelyFails: number; readonly measurementsLeft: number },
): Finding {
  const { gain, forecast } = prospect;
  if (measurementsLeft === 0) return { action: "skip", reason: "the budget of measurements is spent" };
  if (prospect.fails)
    return {
      action: "skip",
      reason: `almost surely fails: p_ok ${percent(forecast.pOk)} is below ${percent(surelyFails)}`,
    };
  const last = weighing.choices.at(-1);
  const least = last && weighing.shortlist[last.row]?.prospect.gain;
  const promise = promiseOf(prospect);
  if (least === undefined)
    return { action: "skip", reason: `${promise}: less than candidates of late, so the next are seen first` };
  return {
    action: "skip",
    reason:
      gain > least
        ? `${promise}: it shares its luck with what is measured, or adds too little beside it`
        : `${promise}: less than what is measured`,
    numbers: { least_measured_gain_log2: least },
  };
}

function promiseOf({ winProbability, gain }: Prospect): string {
  return `${percent(winProbability)} to win, ${gainText(gain)} expected`;
}

export function gainText(log2: number): string {
  return percent(2 ** log2 - 1);
}

export function percent(share: number): string {
  const value = 100 * share;
  if (value === 0) return "0 %";
  if (value < 0.01) return "below 0.01 %";
  return `${Number(value.toPrecision(2))} %`;
}
