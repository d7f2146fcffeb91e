import type { Anchor, Kernel, Proposer, Task } from "../domain/index.ts";
import type { TestRunner } from "./run-store-contract.ts";

export interface ProposerFixture {
  readonly task: Task;
  /** Parents to propose from; the seed kernel's is enough. */
  readonly parents: readonly Kernel[];
  open(): Proposer | Promise<Proposer>;
}

/** The behaviour that every deterministic `Proposer` has. */
export function proposerContract(name: string, fixture: ProposerFixture, { describe, it, expect }: TestRunner): void {
  const ask = async (
    proposer: Proposer,
    parent: Kernel,
    firstIndex: number,
    count: number,
    seed = 1,
  ): Promise<{ ids: string[]; exhausted: boolean }> => {
    const anchor = anchorOf(parent);
    const proposal = await proposer.propose({ task: fixture.task, parent: anchor, firstIndex, count, seed });
    return { ids: proposal.candidates.map(({ kernel }) => kernel.kernelId), exhausted: proposal.exhausted };
  };
  describe(`Proposer contract: ${name}`, () => {
    it("gives the k-th proposal of a parent whatever was asked before", async () => {
      for (const parent of fixture.parents) {
        const whole = await ask(await fixture.open(), parent, 0, 8);
        const pieces = await fixture.open();
        const second = await ask(pieces, parent, 3, 5);
        const first = await ask(pieces, parent, 0, 3);
        expect([...first.ids, ...second.ids]).toEqual(whole.ids);
      }
    });
    it("names its parent and gives no more than was asked for", async () => {
      const proposer = await fixture.open();
      for (const kernel of fixture.parents) {
        const parent = anchorOf(kernel);
        const { candidates, cost } = await proposer.propose({
          task: fixture.task,
          parent,
          firstIndex: 0,
          count: 4,
          seed: 1,
        });
        expect(candidates.length <= 4).toBe(true);
        expect(candidates.every(({ parentId }) => parentId === kernel.kernelId)).toBe(true);
        expect(candidates.every(({ kernel: proposed }) => proposed.launches.length > 0)).toBe(true);
        expect(cost.usd >= 0 && cost.tokens >= 0 && cost.cpuSeconds >= 0).toBe(true);
      }
    });
    it("says when a parent is exhausted and then gives nothing", async () => {
      const proposer = await fixture.open();
      for (const parent of fixture.parents) {
        const { ids, exhausted } = await ask(proposer, parent, 0, 100_000);
        if (!exhausted) continue;
        expect(await ask(proposer, parent, ids.length, 4)).toEqual({ ids: [], exhausted: true });
      }
    });
    it("stops when it is told to", async () => {
      const proposer = await fixture.open();
      const [parent] = fixture.parents;
      if (!parent) return;
      const context = { task: fixture.task, parent: anchorOf(parent), firstIndex: 0, count: 1, seed: 1 };
      const rejected = await proposer.propose(context, AbortSignal.abort()).then(
        () => false,
        () => true,
      );
      expect(rejected).toBe(true);
    });
  });
}

function anchorOf(kernel: Kernel): Anchor {
  return {
    kernel,
    measurement: {
      kernelId: kernel.kernelId,
      device: "contract",
      status: "ok",
      runtime: { medianUs: 100, p10Us: 99, p90Us: 101, n: 5, samplesUs: [] },
      cost: { gpuSeconds: 0, cpuSeconds: 0 },
    },
  };
}
