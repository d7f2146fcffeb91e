import { expect, test } from "vitest";
import golden from "./__fixtures__/golden.json" with { type: "json" };
import { holm, wilcoxonSignedRank } from "./paired-tests.ts";

test.each(golden.wilcoxon)("Wilcoxon p of $differences.length differences agrees with SciPy", ({ differences, p }) => {
  expect(wilcoxonSignedRank(differences)).toBeCloseTo(p, 10);
});

test("Holm's adjusted p-values", () => {
  expect(wilcoxonSignedRank([0, 0])).toBe(1);
  expect(wilcoxonSignedRank([1, 2, 3, 4, 5])).toBeCloseTo(2 / 32, 14);
  holm(golden.holm.p).forEach((value, index) => expect(value).toBeCloseTo(golden.holm.adjusted[index] as number, 12));
  expect(holm([])).toEqual([]);
});
