import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPuct } from "./puct.ts";

const none: ReadonlySet<string> = new Set();

describe("createPuct", () => {
  it("exploits the best lineage when exploration is off", () => {
    const tree = createPuct({ explore: 0, archive: 10 });
    tree.add({ kernelId: "seed", parentId: null, reward: 0 });
    tree.add({ kernelId: "a", parentId: "seed", reward: 1 });
    tree.add({ kernelId: "b", parentId: "seed", reward: 2 });
    tree.add({ kernelId: "c", parentId: "a", reward: 3 });
    expect(tree.select(none)?.kernelId).toBe("c");
    tree.exhaust("c");
    expect(tree.select(none)?.kernelId).toBe("a");
  });

  it("returns to little visited parents when exploration is on", () => {
    const tree = createPuct({ explore: 1, archive: 10 });
    tree.add({ kernelId: "seed", parentId: null, reward: 0 });
    for (const [kernelId, reward] of [
      ["a", 1],
      ["b", 1.2],
      ["c", 0.9],
    ] as const) {
      tree.add({ kernelId, parentId: "seed", reward });
    }
    const chosen = new Set(Array.from({ length: 30 }, () => tree.select(none)?.kernelId));
    expect(chosen).toEqual(new Set(["a", "b", "c"]));
  });

  it("blocks ancestors and descendants of busy parents, but not all descendants of a busy root", () => {
    const tree = createPuct({ explore: 0, archive: 10 });
    tree.add({ kernelId: "seed", parentId: null, reward: 0 });
    tree.add({ kernelId: "a", parentId: "seed", reward: 1 });
    tree.add({ kernelId: "b", parentId: "a", reward: 3 });
    tree.add({ kernelId: "other", parentId: "seed", reward: -1 });
    tree.exhaust("seed");
    expect(tree.select(new Set(["b"]))?.kernelId).toBe("other");
    expect(tree.select(new Set(["a"]))?.kernelId).toBe("other");
    expect(tree.select(new Set(["seed"]))?.kernelId).toBe("b");
    expect(tree.select(new Set(["b", "other"]))).toBeUndefined();
  });

  it("forgets a node that proved wrong, and its reward in its parent", () => {
    const tree = createPuct({ explore: 0, archive: 10 });
    tree.add({ kernelId: "seed", parentId: null, reward: 0 });
    tree.add({ kernelId: "a", parentId: "seed", reward: 1 });
    tree.add({ kernelId: "wrong", parentId: "a", reward: 9 });
    tree.add({ kernelId: "right", parentId: "a", reward: 2 });
    tree.add({ kernelId: "b", parentId: "seed", reward: 3 });
    tree.remove("wrong");
    expect(tree.size).toBe(4);
    expect(tree.select(none)).toEqual({ kernelId: "b", score: 3 });
    tree.exhaust("b");
    tree.exhaust("right");
    tree.exhaust("seed");
    expect(tree.select(none)).toEqual({ kernelId: "a", score: 2 });
  });

  it("scores by the published formula", () => {
    const tree = createPuct({ explore: 1.5, archive: 10 });
    tree.add({ kernelId: "seed", parentId: null, reward: 0 });
    tree.add({ kernelId: "a", parentId: "seed", reward: 2 });
    tree.add({ kernelId: "b", parentId: "seed", reward: 0.5 });
    // Ranks a, b, seed: priors 3/6, 2/6, 1/6; the seed's Q is its best child's; the spread without the root is 1.5.
    expect(tree.select(none)).toEqual({ kernelId: "a", score: expect.closeTo(2 + 1.5 * 1.5 * (3 / 6), 12) as number });
    // One visit of a, and so of the seed; √(1 + T) is √2.
    const seed = 2 + (1.5 * 1.5 * (1 / 6) * Math.SQRT2) / 2;
    const a = 2 + (1.5 * 1.5 * (3 / 6) * Math.SQRT2) / 2;
    expect(a).toBeGreaterThan(seed);
    expect(tree.select(none)).toEqual({ kernelId: "a", score: expect.closeTo(a, 12) as number });
  });

  it("keeps the best of its archive and always the root", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 40 }), (rewards) => {
        const tree = createPuct({ explore: 0, archive: 5 });
        tree.add({ kernelId: "seed", parentId: null, reward: -9 });
        rewards.forEach((reward, index) => tree.add({ kernelId: `k${index}`, parentId: "seed", reward }));
        expect(tree.size).toBe(Math.min(5, rewards.length + 1));
        const selected = new Set<string>();
        for (let node = tree.select(none); node; node = tree.select(none)) {
          selected.add(node.kernelId);
          tree.exhaust(node.kernelId);
        }
        expect(selected.has("seed")).toBe(true);
        const best = rewards.indexOf(Math.max(...rewards));
        expect([...selected].some((id) => id !== "seed" && rewards[Number(id.slice(1))] === rewards[best])).toBe(true);
      }),
    );
  });
});
