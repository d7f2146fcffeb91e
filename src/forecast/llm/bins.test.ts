import { describe, expect, it } from "vitest";
import { speedupBinEdges, speedupBinProbabilities } from "../../domain/index.ts";
import { beliefOfBins, binLetters, binTable } from "./bins.ts";

describe("bins for models", () => {
  it("come from the one table: times are the inverse of speedups", () => {
    const lines = binTable().split("\n");
    expect(lines).toHaveLength(speedupBinEdges.length + 1);
    expect(lines[0]).toBe("A: more than 4.000 times its time");
    expect(lines[6]).toBe("G: 0.979 to 1.021 times its time (a tie)");
    expect(lines.at(-1)).toBe("M: at most 0.250 times its time");
  });

  it("become a distribution that has about their probabilities", () => {
    const given = [0, 0, 0, 0.1, 0.2, 0.2, 0.2, 0.15, 0.1, 0.05, 0, 0, 0];
    const belief = beliefOfBins(given, 0.9, 6);
    const back = speedupBinProbabilities(belief, 6);
    for (const [bin, probability] of given.entries())
      expect(Math.abs((back[bin] ?? 1) - probability)).toBeLessThan(0.1);
    expect(belief.pOk).toBe(0.9);
  });

  it("order kernels as their mass lies, also in the outermost bins, and need not sum to 1", () => {
    const only = (bin: number) =>
      beliefOfBins(
        binLetters.map((_, index) => (index === bin ? 0.4 : 0)),
        0.9,
        6,
      );
    const medians = binLetters.map((_, bin) => only(bin).m);
    expect(medians).toEqual(medians.toSorted((a, b) => b - a));
    expect(only(0).m).toBeGreaterThan(8);
    expect(only(12).m).toBeLessThan(4);
  });
});
