import { describe, expect, it } from "vitest";
import type { TaskFacts } from "./bench-task.ts";
import { gapAnatomy } from "./gap-anatomy.ts";
import { scoreSearches, type ArmScore } from "./score-searches.ts";
import { searchDocument } from "./search-document.ts";
import type { SearchCell } from "./search-cell.ts";
import { bestAfter, measurementsToWithin, type SearchResults } from "./search-results.ts";

function facts(taskId: string, randomOrderNeeds = 20): TaskFacts {
  return { taskId, kernels: 100, seedUs: 100, bestUs: 10, randomOrderNeeds };
}

function cell(bestUs: readonly number[], rest: Partial<SearchCell> = {}): SearchCell {
  const measured = bestUs.length;
  const counted = { considered: 2 * measured, measured, failed: 0, gpuSeconds: 3, usd: 0.5, tokens: 7 };
  return { bestUs, bestProposedUs: 10, ...counted, stopped: "measurements", ...rest };
}

/** Searches of four measurements; each arm ends at the runtime given for a task and seed. */
function results(
  ends: Readonly<Record<string, (taskId: string, seed: number) => number>>,
  tasks: readonly TaskFacts[],
  seeds: number,
): SearchResults {
  return {
    tasks,
    arms: Object.keys(ends),
    seeds,
    measurements: 4,
    cells: (arm, taskId) =>
      Array.from({ length: seeds }, (_, seed) => cell([100, 90, ends[arm]?.(taskId, seed) ?? 100])),
  };
}

const armOf = (scores: readonly ArmScore[], arm: string): ArmScore => scores.find((one) => one.arm === arm) as ArmScore;

describe("searches are scored", () => {
  const tasks = [facts("a"), facts("b"), facts("easy", 14.9)];
  // On task a the arm's kernel takes half of measure-all's time, on b as long, on the easy one a quarter.
  const halves: Record<string, number> = { a: 20, b: 40, easy: 10 };
  const compared = results(
    { "measure-all": () => 40, ours: (taskId) => halves[taskId] ?? 0, oracle: () => 10 },
    tasks,
    8,
  );
  const scores = scoreSearches(compared, 1);

  it("by the geometric mean of runtime ratios, as a share of the oracle's log gain", () => {
    const ours = armOf(scores, "ours");
    expect(ours.bestVsMeasureAll.value).toBeCloseTo(2, 12);
    expect(ours.bestVsMeasureAll.interval).toMatchObject({ low: 1, high: 4 });
    expect(ours.oracleShare.value).toBeCloseTo(0.5, 12);
    expect(ours.bestVs.get("oracle")?.value).toBeCloseTo(0.5, 12);
    expect(armOf(scores, "oracle").oracleShare.value).toBe(1);
    expect(armOf(scores, "measure-all").bestVsMeasureAll.value).toBe(1);
  });

  it("by measurements to within 5 %, censored at the budget, on hard tasks alone", () => {
    const { toWithin } = armOf(scores, "oracle");
    expect(toWithin).toMatchObject({ tasks: 2, reached: 1, mean: { value: 3 }, fewer: { value: 4 / 3 } });
    expect(armOf(scores, "ours").toWithin).toMatchObject({ reached: 0, mean: { value: 4 } });
    expect(measurementsToWithin(cell([100, 10.5]), 0.05, 10)).toBe(2);
    expect(measurementsToWithin(cell([100, 10.51]), 0.05, 10)).toBe(undefined);
    expect(bestAfter(cell([100, 50]), 4)).toBe(50);
    expect(bestAfter(cell([100, 50]), 1)).toBe(100);
  });

  it("counts what was considered and what it cost", () => {
    expect(armOf(scores, "ours")).toMatchObject({ consideredPerMeasured: 2, gpuSeconds: 3, usd: 0.5, tokens: 7 });
    const document = searchDocument(compared, scores, [], {
      recording: "atlas",
      split: "test",
      device: "H100",
      gpuUsdPerHour: 1200,
      notes: [],
    });
    expect(document).toMatchObject({
      tasks: 3,
      seeds: 8,
      arms: {
        ours: {
          best_vs_measure_all: { geomean: 2, ci: [1, 4] },
          oracle_share: { value: 0.5 },
          measurements_to_within_5pct: { mean: 4, ci: [4, 4], tasks: 2 },
          considered_per_measured: 2,
          worse_tasks: [],
          wins: 2,
          ties: 1,
          gpu_seconds: 3,
          usd: 1.5,
        },
      },
    });
  });

  it("has no share where the oracle gains nothing", () => {
    const flat = scoreSearches(results({ "measure-all": () => 40, oracle: () => 40 }, tasks, 2), 1);
    expect(armOf(flat, "oracle").oracleShare).toEqual({ value: undefined, interval: undefined });
  });
});

describe("a task is lost", () => {
  const all = ["a", "b", "c"].map((taskId) => facts(taskId));
  const lost = (end: (taskId: string, seed: number) => number, seeds = 8): string[] => {
    const noise = (seed: number): number => 40 * (1 + 0.001 * seed);
    const scores = scoreSearches(
      results(
        {
          "measure-all": (_, seed) => noise(seed),
          ours: (taskId, seed) => end(taskId, seed) * noise(seed),
          oracle: () => 10,
        },
        all,
        seeds,
      ),
      1,
    );
    return armOf(scores, "ours").byTask.flatMap(({ taskId, verdict }) => (verdict === "loss" ? [taskId] : []));
  };

  it("where the kernels are slower on most seeds and by more than 2 %", () => {
    const onA = (ratio: number) => (taskId: string, seed: number) => (taskId === "a" ? ratio * (1 + 1e-4 * seed) : 1);
    expect(lost(onA(1.05))).toEqual(["a"]);
    expect(lost(onA(1.015))).toEqual([]);
    expect(lost(onA(0.9))).toEqual([]);
  });

  it("not by one unlucky seed, and not with too few seeds to tell", () => {
    expect(lost((taskId, seed) => (taskId === "a" && seed === 0 ? 4 : 1))).toEqual([]);
    expect(lost((taskId, seed) => (taskId === "a" ? 1.05 + 1e-4 * seed : 1), 3)).toEqual([]);
  });

  it("by Holm's correction only as far as the number of tasks allows", () => {
    // With 7 seeds the smallest p is 2/128: less than 5 % even when three tasks are asked of at once, unlike that of 6.
    const everywhereA = (taskId: string, seed: number): number => (taskId === "a" ? 1.05 + 1e-4 * seed : 1);
    expect(lost(everywhereA, 7)).toEqual(["a"]);
    expect(lost(everywhereA, 6)).toEqual([]);
  });
});

describe("the anatomy of the gap", () => {
  it("goes from ours to the pool's best, in log gains", () => {
    const compared = results(
      { "measure-all": () => 40, ours: () => 20, oracle: () => 10 },
      [facts("a"), facts("b")],
      2,
    );
    const steps = gapAnatomy(compared, 1);
    expect(steps.map(({ arm, poolShare }) => [arm, poolShare])).toEqual([
      ["ours", 0.5],
      ["oracle", 1],
      [undefined, 1],
      [undefined, 1],
    ]);
    expect(steps.map(({ bestVsMeasureAll }) => bestVsMeasureAll.value)).toEqual([2, 4, 4, 4]);
    expect(gapAnatomy({ ...compared, arms: ["measure-all", "oracle"] }, 1)).toEqual([]);
  });
});
