import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { areaUnderRisk, normalisedAreaUnderRisk, riskCoverage, type RiskPoint } from "./selective-risk.ts";

const points = (list: readonly (readonly [risk: number, uncertainty: number])[]): RiskPoint[] =>
  list.map(([risk, uncertainty]) => ({ risk, uncertainty }));

const somePoints = fc.array(
  fc.record({ risk: fc.double({ min: 0, max: 8, noNaN: true }), uncertainty: fc.integer({ min: 0, max: 4 }) }),
  { minLength: 1, maxLength: 6 },
);

/** All orders of a list. */
function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}

describe("risk against coverage", () => {
  it("is the running mean of the risks, the surest first", () => {
    expect(
      riskCoverage(
        points([
          [4, 3],
          [1, 1],
          [2, 2],
        ]),
      ),
    ).toEqual([1, 1.5, 7 / 3]);
    expect(
      areaUnderRisk(
        points([
          [4, 3],
          [1, 1],
          [2, 2],
        ]),
      ),
    ).toBeCloseTo((1 + 1.5 + 7 / 3) / 3, 12);
    expect(areaUnderRisk([])).toBeUndefined();
  });

  it("of equals is the mean over all their orders", () => {
    fc.assert(
      fc.property(somePoints, (list) => {
        const orders = permutations(list).filter((order) =>
          order.every((point, index) => index === 0 || point.uncertainty >= (order[index - 1]?.uncertainty ?? 0)),
        );
        const areas = orders.map((order) => {
          let sum = 0;
          return order.reduce((total, { risk }, index) => total + (sum += risk) / (index + 1), 0) / order.length;
        });
        const expected = areas.reduce((sum, area) => sum + area, 0) / areas.length;
        expect(areaUnderRisk(list)).toBeCloseTo(expected, 9);
      }),
      { numRuns: 60 },
    );
  });

  it("does not depend on the order of the points, nor on the scale of uncertainty", () => {
    fc.assert(
      fc.property(somePoints, (list) => {
        const warped = list.toReversed().map(({ risk, uncertainty }) => ({ risk, uncertainty: uncertainty ** 3 - 7 }));
        expect(areaUnderRisk(warped)).toBeCloseTo(areaUnderRisk(list) as number, 9);
      }),
    );
  });
});

describe("the normalised area", () => {
  it("is 0 for the oracle, 1 where all are equally sure, more where the surest are wrong", () => {
    expect(
      normalisedAreaUnderRisk(
        points([
          [1, 1],
          [2, 2],
          [4, 3],
        ]),
      ),
    ).toBeCloseTo(0, 12);
    expect(
      normalisedAreaUnderRisk(
        points([
          [1, 5],
          [2, 5],
          [4, 5],
        ]),
      ),
    ).toBeCloseTo(1, 12);
    expect(
      normalisedAreaUnderRisk(
        points([
          [1, 3],
          [2, 2],
          [4, 1],
        ]),
      ),
    ).toBeGreaterThan(1);
    expect(
      normalisedAreaUnderRisk(
        points([
          [2, 3],
          [2, 2],
        ]),
      ),
    ).toBeUndefined();
  });

  it("is never below 0", () => {
    fc.assert(
      fc.property(somePoints, (list) => {
        expect(normalisedAreaUnderRisk(list) ?? 0).toBeGreaterThan(-1e-9);
      }),
    );
  });
});
