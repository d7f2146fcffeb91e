import { describe, expect, it } from "vitest";
import type { JudgedForecast, JudgedTask } from "../judged-task.ts";
import { scoreTask } from "../score-task.ts";
import { armDifferences, holds } from "./arm-differences.ts";
import { averageRuns } from "./average-runs.ts";
import { medianSpread, truthSpread } from "./median-spread.ts";
import { onAskedKernels, onCommonKernels, type JudgedArm } from "./judged-arm.ts";

const prior = { m: 5, sigmaLow: 2, sigmaHigh: 2 };

/** Ten kernels whose medians are off by `error`; the named ones have no answer. */
function task(taskId: string, error: number, unanswered: readonly number[] = []): JudgedTask {
  const judged = Array.from({ length: 10 }, (_, index): JudgedForecast => {
    const [kernelId, log2Us] = [`${taskId}-${index}`, index / 2];
    const answer = { kernelId, pOk: 0.9, m: log2Us + error, sigmaLow: 0.3, sigmaHigh: 0.3 };
    const about = { kernelId, parentId: null, templateId: undefined, log2Us };
    if (!unanswered.includes(index)) return { ...about, forecast: answer };
    return { ...about, forecast: { ...prior, kernelId, pOk: 0.5 }, isUnanswered: true };
  });
  return { taskId, judged, log2Us: new Map(), prior };
}

function run(error: number, unanswered: readonly number[] = []): JudgedTask[] {
  return ["a", "b", "c"].map((taskId, index) => task(taskId, error * (1 + index), unanswered));
}

function arm(label: string, runs: JudgedArm["runs"], as: JudgedArm["as"] = "raw"): JudgedArm {
  return { label, as, runs };
}

describe("the scores of an arm", () => {
  it("are each task's mean over its runs, then the mean over tasks, with the range of the runs", () => {
    const runs = [run(0.1), run(0.5)];
    const { scores, byTask, ...counts } = averageRuns(runs, 1);
    expect(counts).toMatchObject({ runs: 2, tasks: 3, kernels: 30 });
    const crps = runs.map((tasks) => tasks.map((one) => scoreTask(one, 1).crps as number));
    const [first, second] = crps as [number[], number[]];
    first.forEach((score, index) => {
      expect(byTask[["a", "b", "c"][index] as string]?.crps).toBeCloseTo((score + (second[index] as number)) / 2, 12);
    });
    const means = crps.map((all) => all.reduce((sum, one) => sum + one, 0) / 3);
    expect(scores.crps.least).toBeCloseTo(means[0] as number, 12);
    expect(scores.crps.most).toBeCloseTo(means[1] as number, 12);
    expect(scores.crps.mean).toBeCloseTo(((means[0] as number) + (means[1] as number)) / 2, 12);
    expect(scores.crps.low).toBeLessThan(scores.crps.mean as number);
    expect(scores.crps.tasks).toBe(3);
  });

  it("count what has no answer, and of a score that no run has say nothing", () => {
    const { unanswered, scores } = averageRuns([run(0.1, [0, 1]), run(0.1)], 1);
    expect(unanswered.mean).toBeCloseTo(0.1, 12);
    expect(unanswered.most).toBeCloseTo(0.2, 12);
    expect(unanswered.least).toBe(0);
    expect(scores.brier).toMatchObject({ mean: undefined, least: undefined, tasks: 0 });
  });
});

describe("the spread of medians", () => {
  it("tells a forecaster that says the same of every task from one that follows them", () => {
    const shifted = (taskId: string, shift: number, error: number): JudgedTask => {
      const { judged, ...rest } = task(taskId, error);
      return { ...rest, judged: judged.map((one) => ({ ...one, log2Us: (one.log2Us as number) + shift })) };
    };
    const still = ["a", "b", "c"].map((taskId, index) => shifted(taskId, 2 * index, 0));
    const following = ["a", "b", "c"].map((taskId, index) => shifted(taskId, 2 * index, 2 * index));
    expect(medianSpread(still)).toMatchObject({ betweenTasks: 0, followsTasks: 0 });
    expect(medianSpread(following).betweenTasks).toBeCloseTo(2, 12);
    expect(medianSpread(following).followsTasks).toBeCloseTo(1, 12);
    expect(medianSpread(following)).toEqual(truthSpread(still));
    expect(medianSpread(still).withinTasks).toBeCloseTo(truthSpread(still).withinTasks as number, 12);
    expect(medianSpread(still.slice(0, 1))).toMatchObject({ betweenTasks: undefined, followsTasks: undefined });
  });
});

describe("the kernels of a study", () => {
  it("are those that any run has answered", () => {
    const study = [arm("one", [run(0.1, [0, 1]), run(0.2, [1, 2])]), arm("two", [run(0.1, [1, 3])])];
    const asked = onAskedKernels(study, [arm("beside", [run(0)])]);
    for (const { runs } of asked) {
      for (const [first] of runs) expect(first?.judged.map(({ kernelId }) => kernelId)).not.toContain("a-1");
      expect(runs.flat().every(({ judged }) => judged.length === 9)).toBe(true);
    }
  });

  it("in common are those that every run of both has answered", () => {
    const both = onCommonKernels(arm("one", [run(0.1, [0]), run(0.2, [1])]), arm("two", [run(0.1, [2])]));
    for (const { runs } of both) {
      expect(runs.flat().every(({ judged }) => judged.length === 7)).toBe(true);
      expect(runs.flat().flatMap(({ judged }) => judged.filter(({ isUnanswered }) => isUnanswered))).toEqual([]);
    }
  });
});

describe("differences of arms", () => {
  const arms = [arm("good", [run(0.1), run(0.12)]), arm("bad", [run(0.6, [4])]), arm("bad", [run(0.3)], "isotonic")];
  const of = { arm: "good", as: "raw" } as const;

  it("are of what is there, lower where the first is better, on all kernels and on those in common", () => {
    const what = "better";
    const found = armDifferences(
      arms,
      [
        { what, of, from: { arm: "bad", as: "raw" }, claims: [{ score: "crps", wanted: "lower" }] },
        { what, of, from: { arm: "bad", as: "isotonic" }, claims: [{ score: "crps", wanted: "higher" }] },
        { what, of, from: { arm: "bad", as: "calibrated" }, claims: [] },
      ],
      1,
    );
    const [raw, isotonic, ...none] = found;
    expect(none).toEqual([]);
    expect(raw).toMatchObject({ kernels: 30, commonKernels: 27, claims: [{ holds: true }] });
    expect(raw?.all.crps.high).toBeLessThan(0);
    expect(raw?.common.crps.mean).not.toBe(raw?.all.crps.mean);
    expect(isotonic).toMatchObject({ kernels: 30, commonKernels: 30, claims: [{ holds: false }] });
    expect(isotonic?.common.crps).toEqual(isotonic?.all.crps);
  });

  it("hold by their intervals alone", () => {
    expect(holds({ low: -2, high: -1 }, "lower")).toBe(true);
    expect(holds({ low: -2, high: 0.1 }, "lower")).toBe(false);
    expect(holds({ low: 1, high: 2 }, "higher")).toBe(true);
    expect(holds({ low: 1, high: 2 }, "not higher")).toBe(false);
    expect(holds({ low: -1, high: 2 }, "not higher")).toBe(true);
    expect(holds({}, "not higher")).toBe(false);
  });
});
