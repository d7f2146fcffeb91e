import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyedStream } from "../../domain/index.ts";
import { expectedRise } from "./look-further.ts";

const offer = (gains: readonly number[]) => gains.map((gain) => ({ gain, fails: false }));

describe("the rise that another batch promises", () => {
  it("is about what simulation finds where gains fall off exponentially", () => {
    const uniform = keyedStream("look-further", 1);
    const [considered, batch, scale, histories] = [64, 16, 0.4, 4000];
    const draw = (count: number): number[] => Array.from({ length: count }, () => -scale * Math.log(uniform()));
    let expected = 0;
    let found = 0;
    for (let history = 0; history < histories; history++) {
      const gains = draw(considered);
      const best = Math.max(...gains);
      expected += expectedRise(offer(gains), considered, batch) * best;
      found += Math.max(0, Math.max(...draw(batch)) - best);
    }
    expect(expected / found).toBeGreaterThan(0.8);
    expect(expected / found).toBeLessThan(1.2);
  });

  it("falls as more was considered, and does not depend on the unit of gains", () => {
    const gainLists = fc.array(fc.double({ min: 0.001, max: 4, noNaN: true }), { minLength: 3, maxLength: 60 });
    fc.assert(
      fc.property(gainLists, fc.integer({ min: 60, max: 500 }), (gains, considered) => {
        const rise = expectedRise(offer(gains), considered, 16);
        expect(rise).toBeGreaterThanOrEqual(0);
        expect(expectedRise(offer(gains), 2 * considered, 16)).toBeLessThanOrEqual(rise);
        expect(expectedRise(offer(gains.map((gain) => 3 * gain)), considered, 16)).toBeCloseTo(rise, 9);
      }),
    );
  });

  it("is all while nothing on offer promises anything", () => {
    expect(expectedRise([], 10, 16)).toBe(1);
    expect(expectedRise([{ gain: 2, fails: true }], 10, 16)).toBe(1);
  });
});
