import type { TrustSettings } from "./settings.ts";
import { logWealth, newWealth, play, type Wealth } from "./wealth.ts";

/** Shares of the largest stake; the mean over them is the bet. */
const grid = [0.1, 0.25, 0.5, 0.8] as const;
const shares = grid.map(() => 1 / grid.length);

/** What calibration is judged by: one outcome against its sealed forecast. */
export interface CalibrationLabel {
  readonly ok: boolean;
  readonly pOk: number;
  readonly pit: number | null;
}

/** One bound: a bet against a mean at or beyond it. */
interface Bound {
  /** The hypothesis that is bet against. */
  readonly what: string;
  /** The value in [0, 1] whose mean is bounded; undefined where the label says nothing of it. */
  readonly value: (label: CalibrationLabel) => number | undefined;
  readonly bound: number;
  /** Bets that the mean is below the bound, or above it. */
  readonly side: "below" | "above";
}

/**
 * Bets against being out of bounds: on the mean of PIT, on the coverage of the 80 % interval and on p_ok, on either side. All six
 * must have won: then the confidence sequences of the three (the means that the bets have not refuted) lie within the bounds.
 */
export class CalibrationBets {
  readonly wealths: Wealth[];
  private readonly bounds: readonly Bound[];
  private readonly stakes: readonly (readonly number[])[];

  constructor(settings: TrustSettings, wealths?: Wealth[]) {
    this.bounds = boundsOf(settings);
    this.wealths = wealths ?? this.bounds.map(() => newWealth(grid.length));
    // Below a bound b the value b itself is the most that is won; the stake is lost whole at 1.
    this.stakes = this.bounds.map(({ bound, side }) => {
      const range = side === "below" ? 1 - bound : bound;
      return grid.map((share) => share / range);
    });
  }

  see(label: CalibrationLabel): void {
    for (let place = 0; place < this.bounds.length; place++) {
      const { value, bound, side } = this.bounds[place] as Bound;
      const seen = value(label);
      if (seen === undefined) continue;
      const payoff = side === "below" ? bound - seen : seen - bound;
      play(this.wealths[place] as Wealth, this.stakes[place] as readonly number[], payoff);
    }
  }

  /** Logarithm of the least of the six capitals. */
  get log(): number {
    return Math.min(...this.wealths.map((wealth) => logWealth(wealth, shares)));
  }

  /** Each bound with the logarithm of the capital that was won against being beyond it. */
  get each(): readonly { readonly what: string; readonly log: number }[] {
    return this.bounds.map(({ what }, place) => ({ what, log: logWealth(this.wealths[place] as Wealth, shares) }));
  }
}

function boundsOf({ pitMean, coverage, okBias }: TrustSettings): readonly Bound[] {
  const pit = ({ pit: value }: CalibrationLabel): number | undefined => value ?? undefined;
  const inside = ({ pit: value }: CalibrationLabel): number | undefined =>
    value === null ? undefined : Number(value >= 0.1 && value <= 0.9);
  // How far ok is from p_ok, −1 to 1, moved to 0 to 1.
  const excess = ({ ok, pOk }: CalibrationLabel): number => (Number(ok) - pOk + 1) / 2;
  return [
    { what: `mean PIT of ${pitMean[1]} or more`, value: pit, bound: pitMean[1], side: "below" },
    { what: `mean PIT of ${pitMean[0]} or less`, value: pit, bound: pitMean[0], side: "above" },
    { what: `80 % intervals that cover ${coverage[1]} or more`, value: inside, bound: coverage[1], side: "below" },
    { what: `80 % intervals that cover ${coverage[0]} or less`, value: inside, bound: coverage[0], side: "above" },
    { what: `p_ok too low by ${okBias} or more`, value: excess, bound: (1 + okBias) / 2, side: "below" },
    { what: `p_ok too high by ${okBias} or more`, value: excess, bound: (1 - okBias) / 2, side: "above" },
  ];
}
