import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { covarianceOf, differenceOf, type CovarianceSetting } from "./covariance.ts";
import type { KernelPoint } from "./kernel-point.ts";
import { ResidualProcess, type ResidualDatum } from "./residual-process.ts";
import { sketchOf } from "./sketch.ts";

const points: fc.Arbitrary<KernelPoint> = fc.record({
  features: fc
    .array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 3, maxLength: 3 })
    .map((values) => Float64Array.from(values)),
  parameters: fc
    .uniqueArray(fc.tuple(fc.nat(6), fc.double({ min: 0, max: 10, noNaN: true })), {
      selector: ([name]) => name,
      maxLength: 5,
    })
    .map((named) => {
      const sorted = named.toSorted((a, b) => a[0] - b[0]);
      return {
        names: Uint32Array.from(sorted, ([name]) => name),
        values: Float64Array.from(sorted, ([, value]) => value),
      };
    }),
  sketch: fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 20 }).map(sketchOf),
});

const data: fc.Arbitrary<ResidualDatum[]> = fc
  .array(fc.tuple(points, fc.double({ min: -3, max: 3, noNaN: true })), { minLength: 1, maxLength: 10 })
  .map((list) => list.map(([point, residual], index) => ({ kernelId: `k${index}`, point, residual })));

const settings: fc.Arbitrary<CovarianceSetting> = fc.record({
  reach: fc.constantFrom(0.25, 1),
  text: fc.constantFrom(0, 0.3),
  parameters: fc.constantFrom(0, 0.3, 0.7),
  noise: fc.constantFrom(0.02, 0.3, 3),
});

function fitted(setting: CovarianceSetting, list: readonly ResidualDatum[]): ResidualProcess {
  const process = new ResidualProcess(setting);
  process.follow(list);
  return process;
}

/** kᵀ(K + noise·I)⁻¹z and what it leaves of the variance, by elimination with the largest pivot. */
function direct(setting: CovarianceSetting, list: readonly ResidualDatum[], point: KernelPoint) {
  const covariance = (a: KernelPoint, b: KernelPoint): number => covarianceOf(differenceOf(a, b), setting);
  const against = list.map((datum) => covariance(datum.point, point));
  const matrix = list.map((row, i) => [
    ...list.map((column, j) => (i === j ? 1 + setting.noise : covariance(row.point, column.point))),
    row.residual,
    against[i] as number,
  ]);
  const n = list.length;
  for (let pivot = 0; pivot < n; pivot++) {
    const largest = matrix
      .slice(pivot)
      .reduce((best, row) => (Math.abs(row[pivot]!) > Math.abs(best[pivot]!) ? row : best));
    const at = matrix.indexOf(largest);
    [matrix[pivot], matrix[at]] = [largest, matrix[pivot]!];
    for (const row of matrix) {
      if (row === largest) continue;
      const factor = row[pivot]! / largest[pivot]!;
      row.forEach((value, column) => (row[column] = value - factor * largest[column]!));
    }
  }
  const dot = (column: number): number =>
    against.reduce((sum, k, i) => sum + (k * matrix[i]![column]!) / matrix[i]![i]!, 0);
  return { mean: dot(n), left: (1 + setting.noise - dot(n + 1)) / (1 + setting.noise) };
}

describe("ResidualProcess", () => {
  it("forecasts what a direct solve does", () => {
    fc.assert(
      fc.property(settings, data, points, (setting, list, point) => {
        const { mean, left } = fitted(setting, list).forecast("asked", point);
        const expected = direct(setting, list, point);
        expect(mean).toBeCloseTo(expected.mean, 6);
        expect(left).toBeCloseTo(expected.left, 6);
      }),
    );
  });

  it("is the same to the last digit whether data are added one by one, between questions, or at once", () => {
    fc.assert(
      fc.property(settings, data, points, (setting, list, point) => {
        const process = new ResidualProcess(setting);
        for (const datum of list) {
          process.add(datum);
          process.forecast("asked", point);
        }
        expect(process.forecast("asked", point)).toEqual(fitted(setting, list).forecast("asked", point));
      }),
    );
  });

  it("is the same after following other data", () => {
    fc.assert(
      fc.property(settings, data, data, points, (setting, list, others, point) => {
        const process = fitted(setting, [...list.slice(0, 3), ...others]);
        process.forecast("asked", point);
        process.follow(list);
        expect(process.forecast("asked", point)).toEqual(fitted(setting, list).forecast("asked", point));
      }),
    );
  });

  it("does not depend on the order of its data", () => {
    fc.assert(
      fc.property(settings, data, points, fc.nat(), (setting, list, point, turn) => {
        const at = turn % list.length;
        const other = [...list.slice(at), ...list.slice(0, at)].toReversed();
        const [one, two] = [list, other].map((order) => fitted(setting, order).forecast("asked", point));
        expect(one?.mean).toBeCloseTo(two?.mean ?? Number.NaN, 6);
        expect(one?.left).toBeCloseTo(two?.left ?? Number.NaN, 6);
      }),
    );
  });

  it("knows nothing without data, and never less with one more", () => {
    fc.assert(
      fc.property(settings, data, points, (setting, list, point) => {
        const process = new ResidualProcess(setting);
        expect(process.forecast("asked", point)).toEqual({ mean: 0, left: 1 });
        let before = 1;
        for (const datum of list) {
          process.add(datum);
          const { left } = process.forecast("asked", point);
          expect(left).toBeLessThanOrEqual(before + 1e-9);
          expect(left).toBeGreaterThan(0);
          before = left;
        }
      }),
    );
  });
});
