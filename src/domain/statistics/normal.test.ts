import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import golden from "./__fixtures__/golden.json" with { type: "json" };
import { erfc, normalCdf, normalLogPdf, normalPdf, normalQuantile } from "./normal.ts";

function relativeError(got: number, want: number): number {
  return want === 0 ? Math.abs(got) : Math.abs(got / want - 1);
}

describe("standard normal", () => {
  test.each(golden.normal)("density and distribution at $z agree with SciPy", ({ z, cdf, pdf }) => {
    expect(relativeError(normalCdf(z), cdf)).toBeLessThanOrEqual(2e-13);
    expect(relativeError(normalPdf(z), pdf)).toBeLessThanOrEqual(1e-13);
    expect(normalLogPdf(z)).toBeCloseTo(Math.log(pdf), 9);
  });

  test.each(golden.erfc)("erfc at $x agrees with SciPy", ({ x, value }) => {
    expect(relativeError(erfc(x), value)).toBeLessThanOrEqual(4e-15);
  });

  test.each(golden.normalQuantile)("quantile of $p agrees with SciPy", ({ p, z }) => {
    expect(relativeError(normalQuantile(p), z)).toBeLessThanOrEqual(1e-13);
  });

  test("ends and nonsense", () => {
    expect(normalQuantile(0)).toBe(Number.NEGATIVE_INFINITY);
    expect(normalQuantile(1)).toBe(Number.POSITIVE_INFINITY);
    expect(normalQuantile(-0.1)).toBeNaN();
    expect(normalQuantile(Number.NaN)).toBeNaN();
    expect(erfc(Number.NaN)).toBeNaN();
    expect(erfc(30)).toBe(0);
    expect(normalCdf(Number.NEGATIVE_INFINITY)).toBe(0);
    expect(normalCdf(Number.POSITIVE_INFINITY)).toBe(1);
  });

  test("the quantile inverts the distribution function", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-12, max: 1 - 1e-9, noNaN: true }), (p) => {
        expect(relativeError(normalCdf(normalQuantile(p)), p)).toBeLessThanOrEqual(1e-12);
      }),
    );
  });

  test("the distribution function is monotone and symmetric", () => {
    const z = fc.double({ min: -40, max: 40, noNaN: true });
    fc.assert(
      fc.property(z, z, (a, b) => {
        expect(normalCdf(Math.min(a, b))).toBeLessThanOrEqual(normalCdf(Math.max(a, b)));
        expect(normalCdf(a) + normalCdf(-a)).toBeCloseTo(1, 14);
      }),
    );
  });
});
