import type { Outcomes } from "./shared-luck.ts";

/** One candidate chosen for a batch. */
export interface Choice {
  /** Its place among the candidates. */
  readonly row: number;
  /** What it is expected to add to the candidates chosen before it, per unit of cost. */
  readonly marginal: number;
  /** Share of its own value that those chosen before it leave: 1 for the first, near 0 for a twin of one. */
  readonly ownShare: number;
}

export interface BatchLimits {
  readonly most: number;
  /** A candidate that adds less per cost than this is not chosen. */
  readonly least: number;
  /** Nor one that adds less than this share of the first's. */
  readonly leastShare: number;
}

/**
 * Chooses candidates greedily by what each adds: its exact value, times the share of its simulated gain that is beyond the best
 * of those chosen, draw by draw. Candidates that share their luck with a chosen one add little. Ties by order.
 */
export function chooseBatch(
  valuePerCost: readonly number[],
  { draws, gains }: Outcomes,
  { most, least, leastShare }: BatchLimits,
): readonly Choice[] {
  const chosen: Choice[] = [];
  const left = new Set(valuePerCost.keys());
  const best = new Float64Array(draws);
  while (chosen.length < most) {
    const next = bestOf(left, (row) => {
      const ownShare = shareBeyond(gains, row, best);
      return { row, ownShare, marginal: (valuePerCost[row] as number) * ownShare };
    });
    const limit = Math.max(least, leastShare * (chosen[0]?.marginal ?? 0));
    if (!next || next.marginal <= 0 || next.marginal < limit) break;
    chosen.push(next);
    left.delete(next.row);
    for (let draw = 0; draw < draws; draw++) {
      best[draw] = Math.max(best[draw] as number, gains[next.row * draws + draw] as number);
    }
  }
  return chosen;
}

function bestOf(rows: Iterable<number>, toChoice: (row: number) => Choice): Choice | undefined {
  let best: Choice | undefined;
  for (const row of rows) {
    const choice = toChoice(row);
    if (!best || choice.marginal > best.marginal) best = choice;
  }
  return best;
}

/** 1 where a candidate never wins in the draws: nothing is known of what it shares. */
function shareBeyond(gains: Float64Array, row: number, best: Float64Array): number {
  const draws = best.length;
  let own = 0;
  let beyond = 0;
  for (let draw = 0; draw < draws; draw++) {
    const gain = gains[row * draws + draw] as number;
    own += gain;
    beyond += Math.max(0, gain - (best[draw] as number));
  }
  return own === 0 ? 1 : beyond / own;
}
