import * as fc from "fast-check";
import { expect, test } from "vitest";
import golden from "./__fixtures__/golden.json" with { type: "json" };
import { applyIsotonic, fitIsotonic } from "./isotonic.ts";

test.each(golden.isotonic)("fit of $y.length points agrees with SciPy", ({ y, w, fit }) => {
  const x = y.map((_, index) => index);
  const isotonic = fitIsotonic(x, y, w);
  for (const point of x) expect(applyIsotonic(isotonic, point)).toBeCloseTo(fit[point] as number, 10);
});

test("the fit is non-decreasing, keeps the mean, and is constant outside", () => {
  const point = fc.tuple(fc.integer({ min: 0, max: 20 }), fc.double({ min: -5, max: 5, noNaN: true }));
  fc.assert(
    fc.property(fc.array(point, { minLength: 1 }), (points) => {
      const x = points.map(([position]) => position);
      const y = points.map(([, value]) => value);
      const fit = fitIsotonic(x, y);
      const fitted = x.map((position) => applyIsotonic(fit, position));
      for (let i = 1; i < fit.y.length; i++) expect(fit.y[i]).toBeGreaterThanOrEqual(fit.y[i - 1] as number);
      const total = (values: number[]): number => values.reduce((sum, value) => sum + value, 0);
      expect(total(fitted)).toBeCloseTo(total(y), 8);
      expect(applyIsotonic(fit, -1)).toBe(fit.y[0]);
      expect(applyIsotonic(fit, 21)).toBe(fit.y.at(-1));
    }),
  );
});

test("between knots the fit is linear; without points it is NaN", () => {
  const fit = fitIsotonic([0, 2], [1, 3]);
  expect(applyIsotonic(fit, 0.5)).toBeCloseTo(1.5, 14);
  expect(applyIsotonic(fitIsotonic([], []), 1)).toBeNaN();
  expect(() => fitIsotonic([1], [])).toThrow(RangeError);
});
