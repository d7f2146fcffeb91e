import { describe, expect, it } from "vitest";
import type { LanguageModelAbilities } from "../../domain/index.ts";
import { planLists, type ListChoice, type ListSizes } from "./plan-lists.ts";

const abilities: LanguageModelAbilities = {
  schemas: true,
  logprobs: 0,
  promptCaching: false,
  contextTokens: 200_000,
  price: undefined,
};
const choice: ListChoice = { list: undefined, sources: "auto", usdPerForecast: 0.005 };

function sizes(count: number, tokens = 600, shared = 2000): ListSizes {
  return {
    shared,
    full: Array.from({ length: count }, () => tokens),
    changes: (index) => (index % 4 === 3 ? undefined : tokens / 6),
    answer: (answered) => 500 + 60 * answered,
  };
}

const price = (inputUsd: number) => ({
  inputUsd,
  cachedInputUsd: inputUsd / 10,
  outputUsd: 5 * inputUsd,
  asOf: "2026-01-01",
});
const lengths = (plan: { readonly lists: readonly (readonly number[])[] }) => plan.lists.map(({ length }) => length);

describe("lists of candidates", () => {
  it("are of like length, at most 25 where the price is unknown, and hold every candidate once", () => {
    const plan = planLists(sizes(60), abilities, choice);
    expect(lengths(plan)).toEqual([20, 20, 20]);
    expect(plan.lists.flat()).toEqual(Array.from({ length: 60 }, (_, index) => index));
    expect(plan.asChanges.some(Boolean)).toBe(false);
  });

  it("are shorter where tokens are cheap, for a short list is read more carefully", () => {
    expect(lengths(planLists(sizes(24), { ...abilities, price: price(0.1) }, choice))).toEqual([8, 8, 8]);
    expect(lengths(planLists(sizes(24), { ...abilities, price: price(7) }, choice))).toEqual([12, 12]);
    expect(lengths(planLists(sizes(24), { ...abilities, price: price(15) }, choice))).toEqual([24]);
  });

  it("are as long as asked for", () => {
    expect(lengths(planLists(sizes(10), abilities, { ...choice, list: 4 }))).toEqual([4, 4, 2]);
    expect(lengths(planLists(sizes(3), abilities, { ...choice, list: 1 }))).toEqual([1, 1, 1]);
  });

  it("fit the context, by showing changes first and by being shorter then", () => {
    const short = { ...abilities, contextTokens: 9000 };
    const plan = planLists(sizes(20), short, choice);
    expect(plan.asChanges.filter(Boolean)).toHaveLength(15);
    for (const list of plan.lists) {
      const own = list.reduce((sum, index) => sum + (plan.asChanges[index] ? 100 : 600), 0);
      expect(2000 + own + 500 + 60 * list.length).toBeLessThanOrEqual(9000);
    }
    const full = planLists(sizes(20), short, { ...choice, sources: "full" });
    expect(full.lists.length).toBeGreaterThan(plan.lists.length);
    expect(full.asChanges.some(Boolean)).toBe(false);
  });

  it("of one candidate are made even where nothing fits", () => {
    expect(lengths(planLists(sizes(2, 5000), { ...abilities, contextTokens: 2048 }, choice))).toEqual([1, 1]);
  });

  it("of nothing are none", () => {
    expect(planLists(sizes(0), abilities, choice).lists).toEqual([]);
  });
});
