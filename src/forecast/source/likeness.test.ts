import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { likeness } from "./likeness.ts";

const sets = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { maxLength: 30 }).map((values) => new Set(values));

describe("likeness", () => {
  it("is 1 for equal kernels and 0 for kernels with nothing in common", () => {
    expect(likeness(new Set([1, 2]), new Set([2, 1]))).toEqual([1, 0, 0]);
    expect(likeness(new Set([1, 2]), new Set([3]))).toEqual([0, Math.log1p(2), Math.log1p(1)]);
    expect(likeness(new Set(), new Set())).toEqual([1, 0, 0]);
  });

  it("is the same from both sides, but for what only one has", () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const [there, onlyA, onlyB] = likeness(a, b);
        expect(likeness(b, a)).toEqual([there, onlyB, onlyA]);
        expect(there).toBeGreaterThanOrEqual(0);
        expect(there).toBeLessThanOrEqual(1);
      }),
    );
  });
});
