import { describe, expect, it } from "vitest";
import type { Anchor, Kernel, PastProposal, Task } from "../domain/index.ts";
import { syntheticTask } from "../testing/synthetic.ts";
import { learningTunablesProposer } from "./learning-tunables-proposer.ts";

const task: Task = {
  ...syntheticTask(),
  tunables: {
    parameters: { BLOCK: [32, 64, 128, 256], ITEMS: [1, 2, 4, 8], STAGES: [1, 2, 3] },
    constraints: ["BLOCK * ITEMS <= 1024"],
    launches: [
      { kernel: "k", grid: ["ceil_div(n, BLOCK * ITEMS)", 1, 1], block: ["BLOCK", 1, 1], smemBytes: 0, args: ["out"] },
    ],
    compileOptions: [],
  },
};
const seed: Kernel = { ...task.seedKernel, compileOptions: ["-DBLOCK=32", "-DITEMS=1", "-DSTAGES=1"] };
const parent: Anchor = {
  kernel: seed,
  measurement: {
    kernelId: seed.kernelId,
    device: "d",
    status: "ok",
    cost: { gpuSeconds: 0, cpuSeconds: 0 },
    runtime: { medianUs: 1, p10Us: 1, p90Us: 1, n: 1, samplesUs: [] },
  },
};
const number = (kernel: Kernel, name: string): number =>
  Number(kernel.compileOptions.find((option) => option.startsWith(`-D${name}=`))?.split("=")[1]);
/** Fastest at 128, 4 and 2. */
const runtimeOf = (kernel: Kernel): number => {
  const doublings = (Math.log2(number(kernel, "BLOCK")) - 7) ** 2 + (Math.log2(number(kernel, "ITEMS")) - 2) ** 2;
  return 10 * 2 ** (doublings / 2 + (number(kernel, "STAGES") - 2) ** 2);
};
const resultOf = (kernel: Kernel): PastProposal => ({
  kernel,
  parentId: seed.kernelId,
  outcome: { kind: "ok", runtimeUs: runtimeOf(kernel) },
});

async function searchBy(steps: number, fresh = false): Promise<readonly Kernel[]> {
  let proposer = learningTunablesProposer(task);
  const history = [resultOf(seed)];
  for (let step = 0; step < steps; step++) {
    if (fresh) proposer = learningTunablesProposer(task);
    const { candidates } = await proposer.propose({ task, parent, firstIndex: step, count: 4, seed: 2, history });
    history.push(...candidates.map(({ kernel }) => resultOf(kernel)));
  }
  return history.map(({ kernel }) => kernel);
}

describe("learningTunablesProposer", () => {
  it("proposes one point at a time, none twice, and comes to the fastest early", async () => {
    const kernels = await searchBy(24);
    expect(new Set(kernels.map(({ kernelId }) => kernelId)).size).toBe(25);
    expect(Math.min(...kernels.map(runtimeOf))).toBe(10);
  });

  it("proposes by what is known alone: one that starts anew each time says the same", async () => {
    expect(await searchBy(18, true)).toEqual(await searchBy(18));
  });

  it("does not propose what is under way or was sent back", async () => {
    const proposer = learningTunablesProposer(task);
    const asked = { task, parent, firstIndex: 0, count: 1, seed: 2, history: (await searchBy(14)).map(resultOf) };
    const [first] = (await proposer.propose(asked)).candidates;
    const kernel = first?.kernel as Kernel;
    const [second] = (await proposer.propose({ ...asked, underWay: [kernel] })).candidates;
    const duplicates = [{ kernel, of: kernel, by: "id" as const }];
    const [third] = (await proposer.propose({ ...asked, duplicates })).candidates;
    expect(second?.kernel).not.toEqual(kernel);
    expect(third?.kernel).toEqual(second?.kernel);
  });

  it("gives a duplicate the runtime of its twin, and says what it expects where some failed", async () => {
    const history = (await searchBy(20)).map((kernel): PastProposal => {
      const fails = number(kernel, "ITEMS") === 8;
      return fails
        ? { kernel, parentId: null, outcome: { kind: "failed", status: "launch_error", error: "too much" } }
        : resultOf(kernel);
    });
    const outcomeOfFifth = (outcome: PastProposal["outcome"]): readonly PastProposal[] =>
      history.map((past, at) => (at === 5 ? { ...past, outcome } : past));
    const next = async (past: readonly PastProposal[]) =>
      (await learningTunablesProposer(task).propose({ task, parent, firstIndex: 0, count: 1, seed: 2, history: past }))
        .candidates[0];
    const slow = await next(outcomeOfFifth({ kind: "ok", runtimeUs: runtimeOf(seed) }));
    expect(await next(outcomeOfFifth({ kind: "duplicate", of: seed.kernelId }))).toEqual(slow);
    expect((await next(history))?.idea).toMatch(
      /^-DBLOCK=\d+ -DITEMS=\d -DSTAGES=\d: \S+ to \S+ µs expected, ok at \d+ %$/,
    );
  });

  it("is exhausted when every point was proposed", async () => {
    const kernels = await searchBy(60);
    expect(kernels).toHaveLength(45);
  });
});
