/** Log-capital of a bet that candidates win less often than forecast. */
interface CourtingState {
  /** Mean chance to win that proposals were given: of the latest, and of those before. */
  latest: number;
  before: number;
  seen: number;
  /** log of the capital of the bet that promising candidates fall short. */
  shortfall: number;
}

/** Weights of the running means: some 24 and 96 proposals long. */
const latestWeight = 1 / 24;
const beforeWeight = 1 / 96;
/** Proposals before a trend is spoken of. */
const leastSeen = 96;
/** A rise of the mean chance to win by this factor, and at least by this much. */
const risingFactor = 1.3;
const risingLeast = 0.03;
/** Candidates that were given at least this chance are promising. */
const promising = 0.2;
/** How far the chance to win may be off, and the alternative: that this part of the rest of the way to certainty is lost. */
const permittedBias = 0.1;
const lostPart = 0.5;
/** Capital at which promising candidates are found to fall short. */
const limit = Math.log(200);

/**
 * Detects proposals that court the surrogate: it forecasts ever more for them while what is measured of them falls short. A proposer that
 * learns from what was chosen finds what a surrogate overrates before it finds what is fast.
 */
export class CourtingGuard {
  private readonly state: CourtingState = { latest: 0, before: 0, seen: 0, shortfall: 0 };

  /** A candidate was forecast for the first time. */
  seeForecast(winChance: number): void {
    const { state } = this;
    state.seen++;
    state.latest += Math.max(latestWeight, 1 / state.seen) * (winChance - state.latest);
    state.before += Math.max(beforeWeight, 1 / state.seen) * (winChance - state.before);
  }

  /** What came of a candidate; true where the proposals are found to court the surrogate. */
  seeOutcome(winChance: number, win: boolean): boolean {
    if (winChance < promising) return false;
    const { state } = this;
    const permitted = 1 - winChance + permittedBias;
    if (permitted < 1) {
      const short = permitted + lostPart * (1 - permitted);
      const ratio = win ? (1 - short) / (1 - permitted) : short / permitted;
      // Restarts, as a detector of changes does.
      state.shortfall = Math.max(0, state.shortfall + Math.log(ratio));
    }
    return state.shortfall >= limit && this.isRising();
  }

  /** After it was found, so that it is found once. */
  restart(): void {
    Object.assign(this.state, { seen: 0, shortfall: 0 });
  }

  private isRising(): boolean {
    const { latest, before, seen } = this.state;
    return seen >= leastSeen && latest > risingFactor * before && latest - before > risingLeast;
  }
}
