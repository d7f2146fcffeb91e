import { expect, test } from "vitest";
import { keyedStream } from "../domain/index.ts";
import { ridge } from "./ridge.ts";

test("finds the weights of a plane, and shrinks them by the penalty", () => {
  const uniform = keyedStream("ridge");
  const rows = Array.from({ length: 50 }, () => [uniform() - 0.5, uniform() - 0.5, uniform() - 0.5]);
  const targets = rows.map(([a, b, c]) => 2 * (a as number) - (b as number) + 0.5 * (c as number));
  const weights = rows.map(() => 1);
  const found = ridge(rows, targets, weights, 1e-9);
  [2, -1, 0.5].forEach((weight, at) => expect(found[at]).toBeCloseTo(weight, 6));
  expect(Math.abs(ridge(rows, targets, weights, 100)[0] as number)).toBeLessThan(0.2);
  expect(ridge([], [], [], 1)).toEqual([]);
});
