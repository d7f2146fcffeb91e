/**
 * Bets against a null hypothesis. Each starts with a capital of 1 and stakes a fixed share of its range, so that under the null no
 * bet's capital, nor their mean, is expected to grow: by Ville's inequality the mean ever reaches 1/α with a chance of at most α.
 * Capitals are kept as logarithms.
 */
export type Wealth = number[];

export function newWealth(bets: number): Wealth {
  return Array.from({ length: bets }, () => 0);
}

/** Logarithm of the weighted mean capital; `shares` sum to 1. */
export function logWealth(wealth: Wealth, shares: readonly number[]): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const log of wealth) if (log > most) most = log;
  let sum = 0;
  for (let bet = 0; bet < wealth.length; bet++)
    sum += (shares[bet] as number) * Math.exp((wealth[bet] as number) - most);
  return most + Math.log(sum);
}

/** Plays a round: bet j's capital is multiplied by 1 + stake_j · payoff, which must be above 0. */
export function play(wealth: Wealth, stakes: readonly number[], payoff: number): void {
  if (payoff === 0) return;
  for (let bet = 0; bet < wealth.length; bet++) {
    wealth[bet] = (wealth[bet] as number) + Math.log1p((stakes[bet] as number) * payoff);
  }
}
