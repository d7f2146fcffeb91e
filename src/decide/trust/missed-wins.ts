import { logWealth, newWealth, play, type Wealth } from "./wealth.ts";

/** Stakes in units of the largest that can be lost whole, and how the first capital is split among them. */
const stakes = [0.7, 0.45] as const;
const shares = [0.8, 0.2] as const;

/** What the bet on missed wins sees of a labelled candidate. */
export interface WinLabel {
  readonly skip: boolean;
  readonly win: boolean;
  /** Chance with which it was measured. */
  readonly probability: number;
}

/**
 * Bets against E[w · (1(skip ∧ win) − ρ · 1(win))] ≥ 0, that is, against a surrogate that would have skipped a share ρ of the wins
 * or more; w is the inverse of the chance of being measured. A missed win is weighed by 1/audit at most, so that the stakes are in
 * units of `leastAudit`, the least chance with which anything is measured: it must be known before what is decided.
 */
export class MissedWinsBet {
  readonly wealth: Wealth;
  private readonly scaled: readonly number[];
  private readonly missedShare: number;

  constructor(missedShare: number, leastAudit: number, wealth: Wealth = newWealth(stakes.length)) {
    this.wealth = wealth;
    this.missedShare = missedShare;
    this.scaled = stakes.map((stake) => (stake * leastAudit) / (1 - missedShare));
  }

  see({ skip, win, probability }: WinLabel): void {
    if (!win) return;
    play(this.wealth, this.scaled, (this.missedShare - (skip ? 1 : 0)) / probability);
  }

  get log(): number {
    return logWealth(this.wealth, shares);
  }
}

/** The opposite bet, against a missed share of ρ or less: what a family is vetoed by. */
export class VetoBet {
  readonly wealth: Wealth;
  private readonly stakes: readonly number[];
  private readonly missedShare: number;

  constructor(missedShare: number, leastAudit: number, wealth: Wealth = newWealth(vetoStakes.length)) {
    this.wealth = wealth;
    this.missedShare = missedShare;
    this.stakes = vetoStakes.map((stake) => (stake * leastAudit) / missedShare);
  }

  see({ skip, win, probability }: WinLabel): void {
    if (!win) return;
    play(this.wealth, this.stakes, ((skip ? 1 : 0) - this.missedShare) / probability);
  }

  get log(): number {
    return logWealth(this.wealth, vetoShares);
  }
}

const vetoStakes = [0.25, 0.6] as const;
const vetoShares = [0.5, 0.5] as const;
