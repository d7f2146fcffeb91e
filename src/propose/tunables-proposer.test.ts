import { describe, expect, it } from "vitest";
import type { Anchor, Task } from "../domain/index.ts";
import { syntheticTask } from "../testing/synthetic.ts";
import { enumeratePoints } from "./tunable-space.ts";
import { tunablesProposer } from "./tunables-proposer.ts";

const space = {
  parameters: { BLOCK: [64, 128, 256], ITEMS: [1, 2, 4] },
  constraints: ["BLOCK * ITEMS <= 512"],
  launches: [
    { kernel: "k", grid: ["ceil_div(n, BLOCK * ITEMS)", 1, 1], block: ["BLOCK", 1, 1], smemBytes: 0, args: ["out"] },
  ],
  compileOptions: ["--use_fast_math"],
} as const;

const task: Task = { ...syntheticTask(), tunables: space };
const parent = (options: readonly string[]): Anchor => ({
  kernel: { ...task.seedKernel, compileOptions: options },
  measurement: {
    kernelId: task.seedKernel.kernelId,
    device: "d",
    status: "ok",
    cost: { gpuSeconds: 0, cpuSeconds: 0 },
    runtime: { medianUs: 1, p10Us: 1, p90Us: 1, n: 1, samplesUs: [] },
  },
});
const seedParent = parent(["-DBLOCK=64", "-DITEMS=1"]);
const ask = (firstIndex: number, count: number, seed = 1) =>
  tunablesProposer(task).propose({ task, parent: seedParent, firstIndex, count, seed });

describe("tunablesProposer", () => {
  it("proposes every valid point but the parent's once, then says that it is exhausted", async () => {
    const { candidates, exhausted } = await ask(0, 100);
    const points = candidates.map(({ idea }) => idea);
    expect(new Set(points).size).toBe(7);
    expect(points).not.toContain("-DBLOCK=64 -DITEMS=1");
    expect(points).not.toContain("-DBLOCK=256 -DITEMS=4");
    expect(exhausted).toBe(true);
  });

  it("gives the k-th proposal by (seed, parent, k) alone", async () => {
    const [whole, first, rest, other] = await Promise.all([ask(0, 7), ask(0, 3), ask(3, 4), ask(0, 7, 2)]);
    const ids = (proposal: typeof whole): string[] => proposal.candidates.map(({ kernel }) => kernel.kernelId);
    expect([...ids(first), ...ids(rest)]).toEqual(ids(whole));
    expect(ids(other)).not.toEqual(ids(whole));
  });

  it("favours neighbours: they come first more often than distant points", async () => {
    const firsts = await Promise.all(Array.from({ length: 300 }, (_, seed) => ask(0, 1, seed)));
    const near = firsts.filter(({ candidates: [first] }) => /BLOCK=64|ITEMS=1$/.test(first?.idea ?? ""));
    expect(near.length).toBeGreaterThan(200);
  });

  it("binds launches and compile options to the point", async () => {
    const { candidates } = await ask(0, 100);
    const point = candidates.find(({ idea }) => idea === "-DBLOCK=128 -DITEMS=2");
    expect(point?.kernel.compileOptions).toEqual(["--use_fast_math", "-DBLOCK=128", "-DITEMS=2"]);
    expect(point?.kernel.launches[0]).toMatchObject({ grid: [4, 1, 1], block: [128, 1, 1] });
  });

  it("proposes of the kernels that there are those that are points of the space", async () => {
    const { candidates } = await ask(0, 100);
    const [first, second] = candidates.map(({ kernel }) => kernel);
    if (!first || !second) throw new Error("nothing was proposed");
    const foreign = { ...second, kernelId: "foreign", source: "another" };
    const elsewhere = { ...second, kernelId: "elsewhere", compileOptions: ["-DBLOCK=64"] };
    const proposer = tunablesProposer(task, { kernels: [task.seedKernel, foreign, elsewhere, first] });
    const known = await proposer.propose({ task, parent: seedParent, firstIndex: 0, count: 100, seed: 1 });
    expect(known.candidates.map(({ kernel }) => kernel)).toEqual([first]);
    expect(() => tunablesProposer(task, { kernels: [foreign] })).toThrow(/no kernel of the recording/);
  });

  it("refuses a task without tunables, an empty space and one too large", () => {
    expect(() => tunablesProposer(syntheticTask())).toThrow(/declares no tunables/);
    expect(() => enumeratePoints("t", { ...space, constraints: ["BLOCK < 0"] }, { n: 1 })).toThrow(/no point/);
    const values = Array.from({ length: 100 }, (_, index) => index);
    expect(() => enumeratePoints("t", { ...space, parameters: { A: values, B: values, C: values } }, {})).toThrow(
      /at most 200000/,
    );
  });
});
