import { expect, it } from "vitest";
import { alongStill, invert, type AffineMap } from "./affine-map.ts";

/** Blocks of 4 × 3, each a tile of 8 columns and 2 rows of a matrix 32 wide. */
const tiles: AffineMap = {
  base: 0,
  directions: [
    { extent: 4, step: 1, stride: 8 },
    { extent: 3, step: 4, stride: 64 },
  ],
};

it("finds the block whose tile holds an element", () => {
  for (let block = 0; block < 12; block++) {
    const first = (block % 4) * 8 + Math.floor(block / 4) * 64;
    for (const element of [first, first + 7]) expect(invert(tiles, element)).toBe(block);
  }
});

it("follows a launch that goes round", () => {
  expect(invert(tiles, 3 * 64 + 8)).toBe(1);
  expect(invert({ ...tiles, base: 10 }, 9)).toBeUndefined();
});

it("names all that write the same", () => {
  const sums: AffineMap = {
    base: 0,
    directions: [
      { extent: 2, step: 1, stride: 1 },
      { extent: 3, step: 2, stride: 0 },
    ],
  };
  for (const number of [1, 3, 5]) expect(alongStill(sums, number)).toEqual([1, 3, 5]);
});
