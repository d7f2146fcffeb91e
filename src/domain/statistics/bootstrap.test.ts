import { expect, test } from "vitest";
import { bootstrapGroups } from "./bootstrap.ts";
import { mean } from "./summary.ts";

function uniforms(): () => number {
  let state = 7;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
}

test("the interval of a mean has the width that its standard error says", () => {
  const uniform = uniforms();
  const groups = Array.from({ length: 100 }, () => uniform());
  const interval = bootstrapGroups(groups, mean, { uniform, replicates: 4000 });
  const width = (interval?.high ?? 0) - (interval?.low ?? 0);
  expect(width).toBeGreaterThan(0.9 * 2 * 1.96 * Math.sqrt(1 / 1200));
  expect(width).toBeLessThan(1.1 * 2 * 1.96 * Math.sqrt(1 / 1200));
});

test("equal streams give equal intervals; nothing to draw gives none", () => {
  const run = (): unknown => bootstrapGroups([1, 2, 5], mean, { uniform: uniforms(), replicates: 50, level: 0.5 });
  expect(run()).toEqual(run());
  expect(bootstrapGroups([], mean, { uniform: uniforms() })).toBeUndefined();
  expect(bootstrapGroups([1], () => undefined, { uniform: uniforms() })).toBeUndefined();
});
