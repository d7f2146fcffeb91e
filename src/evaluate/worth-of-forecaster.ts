import { expectedLog2Us } from "../decide/policies.ts";
import { worthOfAsking, type Worth } from "../decide/worth.ts";
import type { Evaluation } from "./evaluate-forecasters.ts";
import { addCosts, type JudgedAnswers } from "./judge-forecaster.ts";

/** How near to the fastest kernel of its pool a kernel must be to be found. */
const nearLog2 = Math.log2(1.05);

/**
 * What a forecaster's answers cost, kept ones as when they were made, against the measurements that its order spares: until a
 * kernel within 5 % of its task's fastest is found, compared with the mean of all orders.
 */
export function worthOfForecaster(evaluation: Pick<Evaluation, "judged">): Worth {
  const { judged } = evaluation;
  const { tokens, usd } = forecastCosts(evaluation);
  const asked = sum(judged.map((task) => task.judged.length));
  return worthOfAsking({
    forecasts: asked - sum(judged.map(({ missing }) => missing)),
    // Tokens that cost nothing are tokens whose price is not known.
    usd: tokens > 0 && usd === 0 ? undefined : usd,
    avoided: sum(judged.map(sparedMeasurements)),
    measurementSeconds: asked === 0 ? 0 : sum(judged.map(({ measuringSeconds }) => measuringSeconds)) / asked,
  });
}

/** What all answers cost, kept ones as when they were made. */
export function forecastCosts({ judged }: Pick<Evaluation, "judged">): {
  readonly tokens: number;
  readonly usd: number;
} {
  const nothing = { cpuSeconds: 0, tokens: 0, usd: 0 };
  const { tokens, usd, saved } = judged.map(({ cost }) => cost).reduce(addCosts, nothing);
  return { tokens: tokens + (saved?.tokens ?? 0), usd: usd + (saved?.usd ?? 0) };
}

/** Measurements until a fast kernel is found: the mean over all orders less those in the forecasts' order, ties at random. */
export function sparedMeasurements({ judged, seedUs }: Pick<JudgedAnswers, "judged" | "seedUs">): number {
  const fastest = Math.min(...judged.map(({ log2Us = Infinity }) => log2Us));
  if (fastest === Infinity) return 0;
  const scored = judged.map(({ forecast, log2Us = Infinity }) => ({
    score: expectedLog2Us(forecast, seedUs),
    isFast: log2Us <= fastest + nearLog2,
  }));
  const best = Math.min(...scored.flatMap(({ score, isFast }) => (isFast ? [score] : [])));
  const before = scored.filter(({ score }) => score < best).length;
  const tied = scored.filter(({ score }) => score === best);
  return meanFirst(scored) - (before + meanFirst(tied));
}

/** Mean place of the first fast kernel over all orders. */
function meanFirst(pool: readonly { readonly isFast: boolean }[]): number {
  return (pool.length + 1) / (pool.filter(({ isFast }) => isFast).length + 1);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, one) => total + one, 0);
}
