import { expect, it } from "vitest";
import { minimise } from "./minimise.ts";

it("finds the bottom of a bowl and of a bent valley", () => {
  const bowl = ([x = 0, y = 0]: readonly number[]): number => (x - 3) ** 2 + 10 * (y + 1) ** 2;
  const [x, y] = minimise(bowl, [0, 0]);
  expect(x).toBeCloseTo(3, 3);
  expect(y).toBeCloseTo(-1, 3);
  const valley = ([a = 0, b = 0]: readonly number[]): number => (1 - a) ** 2 + 100 * (b - a * a) ** 2;
  const [a, b] = minimise(valley, [-1.2, 1], { iterations: 300, tolerance: 1e-14 });
  expect(a).toBeCloseTo(1, 2);
  expect(b).toBeCloseTo(1, 2);
});

it("never ends above its start, and stays where nothing slopes", () => {
  const rough = ([x = 0]: readonly number[]): number => Math.sin(5 * x) + 0.1 * x * x;
  for (const start of [-3, -1, 0.2, 2]) expect(rough(minimise(rough, [start]))).toBeLessThanOrEqual(rough([start]));
  expect(minimise(() => 1, [4, 5])).toEqual([4, 5]);
});
