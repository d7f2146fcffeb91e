/** The bin view as models are asked by it: a letter for each bin, from the one table of the domain. */
import { fromQuantiles, speedupBinBounds, speedupBinCount, speedupBinEdges } from "../../domain/index.ts";
import type { Belief } from "./form.ts";

/** Letters of the bins, slowest first: one token in every vocabulary. */
export const binLetters: readonly string[] = Array.from({ length: speedupBinCount }, (_, bin) =>
  String.fromCharCode("A".charCodeAt(0) + bin),
);

/** The letter of a kernel that does not work. */
export const failureLetter = "X";

/** The table of bins for prompts: what the letters mean, as runtime over the measured kernel's. */
export function binTable(): string {
  return binLetters
    .map((letter, bin) => {
      const { low, high } = speedupBinBounds(bin);
      const above = high === Number.POSITIVE_INFINITY ? undefined : factor(1 / high);
      const below = low === 0 ? undefined : factor(1 / low);
      if (below === undefined) return `${letter}: more than ${above} times its time`;
      return above === undefined
        ? `${letter}: at most ${below} times its time`
        : `${letter}: ${above} to ${below} times its time${bin === (speedupBinCount - 1) / 2 ? " (a tie)" : ""}`;
    })
    .join("\n");
}

function factor(value: number): string {
  return value.toFixed(3);
}

/** How far the outermost bins reach, in log2 units. */
const outerWidth = 1;

/**
 * The distribution that probabilities of the bins stand for: their 10, 50 and 90 % quantiles, mass spread evenly within a bin.
 * Probabilities need not sum to 1, but must not all be 0.
 */
export function beliefOfBins(probabilities: readonly number[], pOk: number, anchorLog2Us: number): Belief {
  const total = probabilities.reduce((sum, one) => sum + one, 0);
  const bounds = [speedupBinEdges[0] - outerWidth, ...speedupBinEdges, (speedupBinEdges.at(-1) as number) + outerWidth];
  const speedupAt = (share: number): number => {
    let before = 0;
    for (const [bin, probability] of probabilities.entries()) {
      const [low, high] = [bounds[bin] as number, bounds[bin + 1] as number];
      if (before + probability >= share * total && probability > 0) {
        return low + ((share * total - before) / probability) * (high - low);
      }
      before += probability;
    }
    return bounds.at(-1) as number;
  };
  const us = (share: number): number => 2 ** (anchorLog2Us - speedupAt(share));
  return { pOk, ...fromQuantiles({ p10: us(0.9), p50: us(0.5), p90: us(0.1) }) };
}
