import { describe, expect, it } from "vitest";
import { createTournament } from "./tournament.ts";

const none: ReadonlySet<string> = new Set();

function population(seed: number, tournament = 3) {
  const choice = createTournament({ tournament, population: 4, seed });
  for (const [kernelId, reward] of [
    ["seed", 0],
    ["slow", -1],
    ["good", 2],
    ["best", 3],
    ["fair", 1],
  ] as const) {
    choice.add({ kernelId, parentId: kernelId === "seed" ? null : "seed", reward });
  }
  return choice;
}

describe("a tournament", () => {
  it("chooses faster kernels more often, and never one that has left the population", () => {
    const choice = population(1);
    const counts = new Map<string, number>();
    for (let round = 0; round < 400; round++) {
      const id = choice.select(none)?.kernelId ?? "";
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    // The best of three draws of four is the first with probability 1 - (3/4)^3, the last with (1/4)^3.
    expect((counts.get("best") ?? 0) / 400).toBeCloseTo(1 - 0.75 ** 3, 1);
    expect((counts.get("seed") ?? 0) / 400).toBeLessThan(0.06);
    expect(counts.get("good")).toBeGreaterThan(counts.get("fair") ?? 0);
    expect(counts.has("slow")).toBe(false);
    expect(choice.size).toBe(4);
  });

  it("draws by its seed alone, and passes busy, exhausted and removed kernels by", () => {
    const order = (seed: number): unknown[] => {
      const choice = population(seed);
      return Array.from({ length: 30 }, () => choice.select(none)?.kernelId);
    };
    expect(order(7)).toEqual(order(7));
    expect(order(7)).not.toEqual(order(8));
    const choice = population(1, 50);
    choice.exhaust("best");
    choice.remove("good");
    expect(choice.select(new Set(["fair"]))).toEqual({ kernelId: "seed", score: 0 });
    expect(choice.select(new Set(["fair", "seed"]))).toBeUndefined();
  });
});
