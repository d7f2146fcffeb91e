import type { CalibrationLabel } from "./calibration-bets.ts";

/** What the detector sees of one measurement. */
export interface DetectorLabel extends CalibrationLabel {
  readonly order?: { readonly chance: number; readonly faster: boolean };
}

/** One way in which a surrogate may have broken: its e-value for a measurement, at most 1 on average while it has not. */
interface Alternative {
  readonly what: string;
  /** Share of the detector's capital. */
  readonly share: number;
  readonly eValue: (label: DetectorLabel) => number;
}

/**
 * Ratio of the chances of an outcome's class, if broken and if as bad as the bounds of calibration permit. Classes are in the order of
 * what speaks against the surrogate; as the ratios grow in that order, no forecast within the bounds has a mean above 1.
 */
function ratios(broken: readonly number[], permitted: readonly number[]): readonly number[] {
  return broken.map((chance, place) => chance / (permitted[place] as number));
}

/** Classes: in the 80 % interval; out of it; out of the 98 % interval. Permitted: coverage of 57 %, and 14 % far out. */
const narrow = ratios([0.3, 0.29, 0.41], [0.57, 0.29, 0.14]);
/**
 * Classes by PIT: up to ½, 0.9, 0.99, 1. Permitted: 80 % above ½, 45 % above 0.9, 18 % above 0.99. That is much, for the errors of a
 * task's kernels have a part in common: one task is forecast too fast, the next too slow, and neither is a change.
 */
const shifted = ratios([0.03, 0.07, 0.2, 0.7], [0.2, 0.35, 0.27, 0.18]);
/** Classes: out of the 50 % interval; in it. Permitted: 75 % in it. */
const wide = ratios([0.05, 0.95], [0.25, 0.75]);

/** How far a forecast chance may be off. */
const permittedBias = 0.1;

/** A bet on an event that has the chance `permitted` at most while nothing is broken; the alternative is `part` of the way to `towards`. */
function binary(happened: boolean, permitted: number, towards: number, part: number): number {
  if (permitted >= towards) return 1;
  const broken = permitted + part * (towards - permitted);
  return happened ? broken / permitted : (1 - broken) / (1 - permitted);
}

function shiftClass(pit: number): number {
  if (pit <= 0.5) return 0;
  if (pit <= 0.9) return 1;
  return pit <= 0.99 ? 2 : 3;
}

function narrowClass(pit: number): number {
  const tail = Math.min(pit, 1 - pit);
  if (tail >= 0.1) return 0;
  return tail >= 0.01 ? 1 : 2;
}

const ofPit =
  (eValue: (pit: number) => number | undefined) =>
  ({ pit }: DetectorLabel): number =>
    pit === null ? 1 : (eValue(pit) ?? 1);

const alternatives: readonly Alternative[] = [
  { what: "too narrow", share: 0.35, eValue: ofPit((pit) => narrow[narrowClass(pit)]) },
  { what: "kernels slower than forecast", share: 0.1, eValue: ofPit((pit) => shifted[shiftClass(pit)]) },
  { what: "kernels faster than forecast", share: 0.1, eValue: ofPit((pit) => shifted[shiftClass(1 - pit)]) },
  { what: "too wide", share: 0.05, eValue: ofPit((pit) => wide[Math.abs(pit - 0.5) < 0.25 ? 1 : 0]) },
  {
    what: "in another order than forecast",
    share: 0.25,
    eValue: ({ order }) => {
      if (!order) return 1;
      const sure = Math.max(order.chance, 1 - order.chance);
      return binary(order.faster !== order.chance > 0.5, 1 - sure + permittedBias, 0.5, 0.8);
    },
  },
  {
    what: "more failures than forecast",
    share: 0.1,
    eValue: ({ ok, pOk }) => binary(!ok, 1 - pOk + permittedBias, 1, 0.4),
  },
  {
    what: "fewer failures than forecast",
    share: 0.05,
    eValue: ({ ok, pOk }) => binary(ok, pOk + permittedBias, 1, 0.6),
  },
];

/** Why a detector gave the alarm. */
export interface Alarm {
  readonly what: string;
  /** Measurements that it has seen since it was started. */
  readonly measurements: number;
}

/**
 * A detector of changes that restarts with every measurement (Shiryaev–Roberts over e-values): R_t = (1 + R_{t−1}) · E_t for each
 * alternative, pooled. While the surrogate is within its bounds R_t − t does not grow on average, so that the pool reaches N / α within
 * N measurements with a chance of at most α, however long and good the history before.
 */
export class ChangeDetector {
  /** R of each alternative; the state that was given, updated in place. */
  readonly state: DetectorState;
  private readonly limit: number;

  constructor(falseAlarm: number, horizon: number, state: DetectorState = freshDetector()) {
    this.state = state;
    this.limit = horizon / falseAlarm;
  }

  /** Takes a measurement in; an alarm where the surrogate has broken. */
  see(label: DetectorLabel): Alarm | undefined {
    const { state } = this;
    state.measurements++;
    let pooled = 0;
    let worst = 0;
    let most = 0;
    for (let place = 0; place < alternatives.length; place++) {
      const { share, eValue } = alternatives[place] as Alternative;
      const sum = Math.min(mostSum, (1 + (state.sums[place] as number)) * eValue(label));
      state.sums[place] = sum;
      pooled += share * sum;
      if (share * sum > most) [most, worst] = [share * sum, place];
    }
    if (pooled < this.limit) return undefined;
    return { what: (alternatives[worst] as Alternative).what, measurements: state.measurements };
  }

  /** How far towards an alarm, 0–1 on a logarithmic scale. */
  get alertness(): number {
    const pooled = alternatives.reduce((sum, { share }, place) => sum + share * (this.state.sums[place] as number), 0);
    return Math.max(0, Math.log(Math.max(1, pooled)) / Math.log(this.limit));
  }
}

export interface DetectorState {
  readonly sums: number[];
  measurements: number;
}

/** A detector that nobody heeds does not overflow. */
const mostSum = 1e300;

export function freshDetector(): DetectorState {
  return { sums: alternatives.map(() => 0), measurements: 0 };
}
