import * as fc from "fast-check";
import { expect, test } from "vitest";
import { correct } from "./anchor-correction.ts";

const correction = { reach: 1, steadiness: 0.5, sharpening: 0.6 };

test("without anchors nothing changes", () => {
  expect(correct(correction, [])).toEqual({ shift: 0, narrowing: 1 });
});

test("an anchor that is alike shifts most of its error, one far away hardly any", () => {
  expect(correct(correction, [{ distance: 0, error: 1 }]).shift).toBeCloseTo(1 / 1.5, 12);
  expect(correct(correction, [{ distance: 20, error: 1 }]).shift).toBeCloseTo(0, 6);
  expect(correct(correction, [{ distance: 0, error: 1 }]).narrowing).toBeCloseTo(Math.sqrt(1 - 0.4), 12);
});

test("the shift never leaves the range of the errors and 0, and more anchors never widen", () => {
  const anchor = fc.record({
    distance: fc.double({ min: 0, max: 10, noNaN: true }),
    error: fc.double({ min: -5, max: 5, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(anchor), anchor, (anchors, another) => {
      const errors = anchors.map(({ error }) => error);
      const { shift, narrowing } = correct(correction, anchors);
      expect(shift).toBeLessThanOrEqual(Math.max(0, ...errors) + 1e-12);
      expect(shift).toBeGreaterThanOrEqual(Math.min(0, ...errors) - 1e-12);
      expect(correct(correction, [...anchors, another]).narrowing).toBeLessThanOrEqual(narrowing);
    }),
  );
});
