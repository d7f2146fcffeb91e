import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Anchor, Kernel, Recording } from "../domain/index.ts";
import { proposerContract } from "../testing/proposer-contract.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { recordedProposer } from "./recorded-proposer.ts";

const recording = syntheticRecording({ kernels: 60 });
const taskId = "synthetic-a";
const kernels = recording.kernels(taskId);
const seedKernel = recording.tasks.get(taskId)?.task.seedKernel as Kernel;

proposerContract(
  "recorded",
  {
    task: recording.tasks.get(taskId)?.task as never,
    parents: [seedKernel, kernels[5]?.kernel as Kernel, kernels[40]?.kernel as Kernel],
    open: () => recordedProposer(recording, taskId),
  },
  { describe, it, expect },
);

async function proposals(source: Recording, parent: Kernel, seed: number, count = 1000): Promise<string[]> {
  const anchor: Anchor = { kernel: parent, measurement: {} as never };
  const task = source.tasks.get(taskId)?.task as never;
  const context = { task, parent: anchor, firstIndex: 0, count, seed };
  const { candidates } = await recordedProposer(source, taskId).propose(context);
  return candidates.map(({ kernel }) => kernel.kernelId);
}

describe("recordedProposer", () => {
  it("reaches every kernel but the parent and the seed, once", async () => {
    const anyKernel = fc.constantFrom(...kernels.map(({ kernel }) => kernel));
    await fc.assert(
      fc.asyncProperty(anyKernel, fc.integer(), async (parent, seed) => {
        const ids = await proposals(recording, parent, seed);
        const expected = kernels
          .map(({ kernel }) => kernel.kernelId)
          .filter((id) => id !== parent.kernelId && id !== seedKernel.kernelId);
        expect(ids.toSorted()).toEqual(expected.toSorted());
      }),
      { numRuns: 50 },
    );
  });

  it("gives another order for another seed and another parent", async () => {
    const orders = [
      await proposals(recording, seedKernel, 1, 10),
      await proposals(recording, seedKernel, 2, 10),
      await proposals(recording, kernels[7]?.kernel as Kernel, 1, 10),
    ];
    expect(new Set(orders.map((order) => order.join())).size).toBe(3);
  });

  it("proposes near kernels first, and now and then a far one", async () => {
    const children = new Set(
      kernels.filter(({ parentId }) => parentId === seedKernel.kernelId).map(({ kernel }) => kernel.kernelId),
    );
    let first = 0;
    let far = 0;
    for (let seed = 0; seed < 400; seed++) {
      const [id = ""] = await proposals(recording, seedKernel, seed, 1);
      first += Number(children.has(id));
      far += Number(!children.has(id));
    }
    expect(first / 400).toBeGreaterThan((2 * children.size) / kernels.length);
    expect(far).toBeGreaterThan(0);
  });

  it("starts from the seed kernel for a parent it does not know", async () => {
    const stranger = { ...seedKernel, kernelId: "stranger" };
    expect((await proposals(recording, stranger, 1)).length).toBe(kernels.length - 1);
  });

  it("keeps the order of the rest when a recording grows", async () => {
    const larger = syntheticRecording({ kernels: 80 });
    const before = await proposals(recording, seedKernel, 3);
    const known = new Set(before);
    const after = (await proposals(larger, seedKernel, 3)).filter((id) => known.has(id));
    expect(after).toEqual(before);
  });

  it("gives the k-th proposal of a parent by seed, parent and k alone, and only what the device measured", async () => {
    const [device = ""] = recording.devices;
    const all = recording.measurements(taskId, device);
    const measured = new Map([...all].filter((_entry, index) => index % 3 !== 1));
    const partial: Recording = { ...recording, measurements: () => measured };
    const shuffled: Recording = { ...partial, kernels: () => kernels.toReversed() };
    const used = recordedProposer(partial, taskId, { device });
    const anchor = fc.constantFrom(...kernels.map(({ kernel }): Anchor => ({ kernel, measurement: {} as never })));
    const asked = fc.record({
      parent: anchor,
      seed: fc.nat(3),
      firstIndex: fc.nat(70),
      count: fc.integer({ min: 1, max: 20 }),
    });
    await fc.assert(
      fc.asyncProperty(asked, async (context) => {
        const task = {} as never;
        const whole = await recordedProposer(shuffled, taskId, { device }).propose({
          ...context,
          task,
          firstIndex: 0,
          count: 1000,
        });
        const part = await used.propose({ ...context, task });
        const { firstIndex, count } = context;
        expect(part.candidates).toEqual(whole.candidates.slice(firstIndex, firstIndex + count));
        expect(part.exhausted).toBe(firstIndex + count >= whole.candidates.length);
        expect(whole.candidates.every(({ kernel }) => measured.has(kernel.kernelId))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it("leaves out kernels that were not measured on the device", async () => {
    const proposer = recordedProposer(recording, taskId, { device: "another" });
    const anchor: Anchor = { kernel: seedKernel, measurement: {} as never };
    const context = { task: {} as never, parent: anchor, firstIndex: 0, count: 5, seed: 1 };
    expect(await proposer.propose(context)).toMatchObject({ candidates: [], exhausted: true });
  });

  it("names the tasks there are when asked for another", () => {
    expect(() => recordedProposer(recording, "absent")).toThrow(/no task "absent".*synthetic-a, synthetic-b/);
  });

  it("copes with parents that lead in a circle", async () => {
    const [a, b] = kernels.slice(1, 3);
    const circle = kernels.map((kernel) => {
      if (kernel === a) return { ...kernel, parentId: b?.kernel.kernelId ?? null };
      return kernel === b ? { ...kernel, parentId: a?.kernel.kernelId ?? null } : kernel;
    });
    const twisted: Recording = { ...recording, kernels: () => circle };
    expect((await proposals(twisted, seedKernel, 1)).length).toBe(kernels.length - 1);
  });
});
