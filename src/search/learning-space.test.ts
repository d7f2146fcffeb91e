import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Proposer, RunStore, Task } from "../domain/index.ts";
import { learningTunablesProposer } from "../propose/learning-tunables-proposer.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { copySource, logOf, syntheticRun } from "./__fixtures__/synthetic-run.ts";
import { runSearch, type RunSearchOptions } from "./run-search.ts";

const overlapping = { proposer: "tunables:learn", measureConcurrency: 2, openBatches: 2 };

/** A search of a space of 60 points, whose runtimes the synthetic device draws by kernel. */
function searchOf(
  store: RunStore,
  config: Parameters<typeof syntheticRun>[2],
  watch?: (proposer: Proposer) => Proposer,
) {
  const run = syntheticRun("measure-all", store, { budget: { measurements: 30 }, ...config });
  const task: Task = {
    ...run.stages.task,
    tunables: {
      parameters: { A: [1, 2, 4, 8, 16], B: [1, 2, 3, 4], C: [0, 1, 2] },
      constraints: [],
      launches: run.stages.task.seedKernel.launches,
      compileOptions: [],
    },
  };
  const proposer = learningTunablesProposer(task);
  const stages = { ...run.stages, task, proposer: watch ? watch(proposer) : proposer };
  return { ...run, stages } satisfies RunSearchOptions;
}

describe("a search by tunables:learn", () => {
  it("measures no point twice, tells the proposer of every result and of what is under way", async () => {
    const told: (readonly [history: number, underWay: number])[] = [];
    const watch = (proposer: Proposer): Proposer => ({
      ...proposer,
      propose: (context) => {
        told.push([context.history?.length ?? 0, context.underWay?.length ?? 0]);
        return proposer.propose(context);
      },
    });
    const state = await runSearch(searchOf(createMemoryRunStore(), overlapping, watch));
    expect(state.counts.measured).toBe(30);
    expect(Math.max(...told.map(([history]) => history))).toBeGreaterThanOrEqual(28);
    expect(told.some(([, underWay]) => underWay > 0)).toBe(true);
  });

  it("ends with the same log wherever it was cut off and continued", async () => {
    const complete = createMemoryRunStore();
    const search = searchOf(complete, overlapping);
    await runSearch(search);
    const events = [...complete.events(search.runId)];
    const cuts = events.filter(({ payload }) => JSON.stringify(payload).includes("commandId")).map(({ seq }) => seq);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...cuts), async (cut) => {
        const store = createMemoryRunStore();
        const resumed = searchOf(store, overlapping);
        for (const { payload } of events) copySource(complete, store, payload);
        store.append(
          resumed.runId,
          events.slice(0, cut).map(({ runId: _, ...event }) => event),
        );
        await runSearch(resumed);
        expect(logOf(store, resumed.runId)).toEqual(logOf(complete, search.runId));
      }),
      { numRuns: 15 },
    );
  });

  it("ends when the whole space was proposed", async () => {
    const state = await runSearch(searchOf(createMemoryRunStore(), { ...overlapping, budget: { measurements: 100 } }));
    expect(state.ended).toBe("no-more-proposals");
    expect(state.counts.measured).toBe(61);
  });
});
