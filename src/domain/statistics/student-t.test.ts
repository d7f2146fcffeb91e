import * as fc from "fast-check";
import { expect, test } from "vitest";
import golden from "./__fixtures__/golden.json" with { type: "json" };
import { incompleteBeta, logGamma, studentTCdf, studentTQuantile } from "./student-t.ts";

test.each(golden.studentT)("t quantile of $p at $degrees degrees agrees with SciPy", ({ p, degrees, t }) => {
  expect(Math.abs(studentTQuantile(p, degrees) - t)).toBeLessThanOrEqual(1e-10 * Math.max(1, Math.abs(t)));
});

test.each(golden.studentTCdf)("t distribution at $t with $degrees degrees agrees with SciPy", ({ t, degrees, p }) => {
  expect(studentTCdf(t, degrees)).toBeCloseTo(p, 12);
});

test.each(golden.logGamma)("log gamma of $x agrees with SciPy", ({ x, value }) => {
  expect(logGamma(x)).toBeCloseTo(value, 10);
});

test("closed forms: one degree is Cauchy's, I_x(1, b) = 1 − (1 − x)^b", () => {
  expect(studentTCdf(2, 1)).toBeCloseTo(0.5 + Math.atan(2) / Math.PI, 13);
  expect(studentTQuantile(0.975, 1)).toBeCloseTo(Math.tan(0.475 * Math.PI), 8);
  expect(incompleteBeta(0.3, 1, 4.5)).toBeCloseTo(1 - 0.7 ** 4.5, 13);
});

test("ends and nonsense", () => {
  expect(studentTQuantile(0, 3)).toBe(Number.NEGATIVE_INFINITY);
  expect(studentTQuantile(1, 3)).toBe(Number.POSITIVE_INFINITY);
  expect(studentTQuantile(0.5, 3)).toBe(0);
  expect(studentTQuantile(0.5, 0)).toBeNaN();
  expect(studentTQuantile(2, 3)).toBeNaN();
  expect(studentTCdf(1, -1)).toBeNaN();
  expect(incompleteBeta(0, 1, 1)).toBe(0);
  expect(incompleteBeta(1, 1, 1)).toBe(1);
});

test("the quantile inverts the distribution function", () => {
  const p = fc.double({ min: 1e-6, max: 0.999999, noNaN: true });
  fc.assert(
    fc.property(p, fc.double({ min: 0.8, max: 200, noNaN: true }), (probability, degrees) => {
      expect(studentTCdf(studentTQuantile(probability, degrees), degrees)).toBeCloseTo(probability, 10);
    }),
  );
});
