import { expect, it } from "vitest";
import { keyedUniform } from "../../domain/index.ts";
import { sketchLikeness, sketchOf } from "./sketch.ts";

it("tells the share of hashes in common", () => {
  const hashes = Array.from({ length: 900 }, (_, index) => Math.floor(2 ** 32 * keyedUniform("sketch", index)));
  for (const share of [0, 0.1, 0.5, 0.9, 1]) {
    const [alone, together] = [Math.round(300 * (1 - share)), Math.round(300 * share)];
    const common = hashes.slice(0, together);
    const one = sketchOf([...common, ...hashes.slice(300, 300 + alone)]);
    const other = sketchOf([...common, ...hashes.slice(600, 600 + alone)]);
    const truth = together / (together + 2 * alone);
    expect(Math.abs(sketchLikeness(one, other) - truth)).toBeLessThan(0.1);
  }
});

it("does not depend on the order of the hashes", () => {
  expect(sketchOf([3, 1, 2])).toEqual(sketchOf([1, 2, 3]));
});
