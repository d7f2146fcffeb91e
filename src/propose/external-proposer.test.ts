import { describe, expect, it } from "vitest";
import type { Anchor, Candidate, ProposeContext } from "../domain/index.ts";
import { createMemoryRunStore } from "../testing/index.ts";
import { syntheticTask } from "../testing/synthetic.ts";
import { externalProposer, type ExternalProposerOptions } from "./external-proposer.ts";

const task = syntheticTask();
const candidate = (label: string, parentId: string | null = null): Candidate => ({
  kernel: { ...task.seedKernel, kernelId: label },
  parentId,
  origin: "external",
});
const context: ProposeContext = {
  task,
  parent: { kernel: task.seedKernel, measurement: {} } as unknown as Anchor,
  firstIndex: 0,
  count: 4,
  seed: 1,
};

function opened(options: Partial<ExternalProposerOptions> = {}) {
  const store = createMemoryRunStore();
  store.createRun({ runId: "r", configKey: "", config: {}, createdAt: 0 });
  const inbox = (after: number) => store.submissions("r", after);
  const waits: number[] = [];
  const proposer = externalProposer({
    inbox,
    taken: new Set(),
    seedId: "seed",
    pollSeconds: 0.005,
    onWait: () => waits.push(1),
    ...options,
  });
  const submit = (labels: readonly string[], last = false) =>
    store.submit(
      "r",
      labels.map((label) => candidate(label)),
      { last },
    );
  const ask = async (changes: Partial<ProposeContext> = {}, signal?: AbortSignal) => {
    const { candidates, exhausted } = await proposer.propose({ ...context, ...changes }, signal);
    return { ids: candidates.map(({ kernel }) => kernel.kernelId), exhausted };
  };
  return { store, proposer, waits, submit, ask };
}

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

describe("externalProposer", () => {
  it("hands on what is there in order, at most as many as asked for, and waits for more", async () => {
    const { submit, ask, waits } = opened();
    submit(["a", "b", "c", "d", "e"]);
    expect(await ask()).toEqual({ ids: ["a", "b", "c", "d"], exhausted: false });
    expect(await ask()).toEqual({ ids: ["e"], exhausted: false });
    expect(waits).toEqual([]);
    const later = ask();
    await soon();
    expect(waits).toEqual([1]);
    submit(["f"]);
    expect(await later).toEqual({ ids: ["f"], exhausted: false });
  });

  it("names the submission, and the parent: the seed unless another is given", async () => {
    const { store, proposer } = opened();
    store.submit("r", [candidate("a"), candidate("b", "a")]);
    const { candidates } = await proposer.propose(context);
    expect(candidates.map(({ origin, parentId }) => [origin, parentId])).toEqual([
      ["external:1", "seed"],
      ["external:2", "a"],
    ]);
  });

  it("leaves out what an earlier process took, whichever it was", async () => {
    const { submit, ask } = opened({ taken: new Set([1, 3]) });
    submit(["a", "b", "c", "d"]);
    expect(await ask()).toEqual({ ids: ["b", "d"], exhausted: false });
  });

  it("ends when it was told that none follow, once all are handed on", async () => {
    const { submit, ask } = opened();
    submit(["a", "b", "c"], true);
    expect(await ask({ count: 2 })).toEqual({ ids: ["a", "b"], exhausted: false });
    expect(await ask({ count: 2 })).toEqual({ ids: ["c"], exhausted: true });
    expect(await ask()).toEqual({ ids: [], exhausted: true });
  });

  it("waits for as many as it shall hand on at once, and no longer than it may", async () => {
    const { submit, ask } = opened({ atLeast: 3, idleSeconds: 0.2 });
    submit(["a", "b"]);
    const asked = ask();
    await soon();
    submit(["c"]);
    expect(await asked).toEqual({ ids: ["a", "b", "c"], exhausted: false });
    submit(["d"]);
    expect(await ask()).toEqual({ ids: ["d"], exhausted: false });
    expect(await ask()).toEqual({ ids: [], exhausted: true });
    const started = performance.now();
    expect(await ask()).toEqual({ ids: [], exhausted: true });
    expect(performance.now() - started).toBeLessThan(150);
  });

  it("gives nothing when the run's time is over, and may be asked again", async () => {
    const { submit, ask } = opened();
    expect(await ask({ secondsLeft: 0.02 })).toEqual({ ids: [], exhausted: false });
    submit(["a"]);
    expect(await ask({ secondsLeft: 0.02 })).toEqual({ ids: ["a"], exhausted: false });
  });

  it("stops waiting when it is closed or told to", async () => {
    const { proposer, ask } = opened();
    const aborted = new AbortController();
    const waiting = [ask(), ask({}, aborted.signal)] as const;
    aborted.abort();
    await expect(waiting[1]).rejects.toThrow(/abort/i);
    await proposer.close?.();
    expect(await waiting[0]).toEqual({ ids: [], exhausted: true });
  });
});
