import { describe, expect, it } from "vitest";
import { forecastQuantile, keyedUniform, mean, normalQuantile, type Forecast } from "../domain/index.ts";
import { workingForecasts, type JudgedForecast, type JudgedTask } from "./judged-task.ts";
import { scoreTask, type TaskScores } from "./score-task.ts";
import { scoreTasks } from "./score-tasks.ts";
import { topTenth } from "./top-tenth.ts";
import { winForecasts } from "./win-forecasts.ts";

const prior = { m: 6, sigmaLow: 2, sigmaHigh: 2 };

function judged(count: number, error: (index: number) => number, key = "t"): JudgedTask {
  const list = Array.from({ length: count }, (_, index): JudgedForecast => {
    const log2Us = 4 + 4 * keyedUniform(key, "truth", index);
    const works = index % 8 !== 7;
    const forecast: Forecast = {
      kernelId: `k${index}`,
      pOk: works ? 0.9 : 0.2,
      m: log2Us + error(index),
      sigmaLow: 0.3,
      sigmaHigh: 0.3,
    };
    const parentId = index === 0 ? null : `k${Math.floor((index - 1) / 2)}`;
    return { kernelId: `k${index}`, parentId, templateId: undefined, forecast, log2Us: works ? log2Us : undefined };
  });
  const known = list.flatMap(({ kernelId, log2Us }) => (log2Us === undefined ? [] : [[kernelId, log2Us] as const]));
  return { taskId: key, judged: list, log2Us: new Map(known), prior };
}

describe("scoreTask", () => {
  it("gives exact forecasts full marks", () => {
    const scores = scoreTask(
      judged(160, () => 0),
      1,
    );
    expect(scores).toMatchObject({ pairwise: 1, "pairwise parent-child": 1, "auroc of p_ok": 1, "coverage 50": 1 });
    expect(scores.spearman).toBeCloseTo(1, 12);
    expect(scores["top tenth within 5 %"] ?? 1).toBe(1);
    expect(scores.crps).toBeLessThan(scores["crps of prior"] as number);
  });

  it("counts kernels that were seen not to compile as failures below all others", () => {
    const task = judged(16, () => 0);
    // Of the two failing kernels, one is forecast below all and one above.
    const odds = new Map([
      ["k7", 0.1],
      ["k15", 1],
    ]);
    const mixed = task.judged.map((one) => {
      return { ...one, forecast: { ...one.forecast, pOk: odds.get(one.kernelId) ?? 0.9 } };
    });
    const scores = (compileErrors: number): TaskScores => scoreTask({ ...task, judged: mixed, compileErrors }, 1);
    const [without, withSix] = [scores(0), scores(6)];
    expect(without["auroc with compile errors"]).toBe(without["auroc of p_ok"]);
    expect(withSix["auroc of p_ok"]).toBe(without["auroc of p_ok"]);
    expect(withSix["auroc with compile errors"]).toBeCloseTo((2 * (without["auroc of p_ok"] as number) + 6) / 8, 12);
    const working = mixed.filter(({ log2Us }) => log2Us !== undefined);
    expect(scoreTask({ ...task, judged: working, compileErrors: 3 }, 1)["auroc with compile errors"]).toBe(1);
  });

  it("gives reversed forecasts none", () => {
    const task = judged(160, () => 0);
    const reversed = task.judged.map((one) => ({ ...one, forecast: { ...one.forecast, m: -one.forecast.m } }));
    const scores = scoreTask({ ...task, judged: reversed }, 1);
    expect(scores).toMatchObject({ pairwise: 0, "pairwise over 3": 0, "pairwise parent-child": 0, "coverage 95": 0 });
    expect(scores.crps).toBeGreaterThan(scores["crps of prior"] as number);
  });

  it("finds forecasts whose errors are as wide as they say calibrated, and those that are not uncalibrated", () => {
    const error = (index: number): number => 0.3 * normalQuantile(keyedUniform("error", index));
    const honest = scoreTask(judged(3000, error), 1);
    expect(honest["coverage 50"]).toBeGreaterThan(0.46);
    expect(honest["coverage 50"]).toBeLessThan(0.56);
    expect(honest["coverage 80"]).toBeCloseTo(0.8, 1);
    expect(honest["coverage 95"]).toBeCloseTo(0.95, 1);
    expect(honest.ece).toBeLessThan(0.03);
    const boastful = scoreTask(
      judged(3000, (index) => 6 * error(index)),
      1,
    );
    expect(boastful["coverage 80"]).toBeLessThan(0.3);
    expect(boastful.ece).toBeGreaterThan(0.1);
  });

  it("has no score of p_ok without failures, and none of runtimes without working kernels", () => {
    const task = judged(40, () => 0);
    const failures = task.judged.filter(({ log2Us }) => log2Us === undefined);
    const working = task.judged.filter(({ log2Us }) => log2Us !== undefined);
    expect(scoreTask({ ...task, judged: working }, 1)["auroc of p_ok"]).toBeUndefined();
    expect(scoreTask({ ...task, judged: failures }, 1)).toMatchObject({ pairwise: undefined, crps: undefined });
  });
});

describe("topTenth", () => {
  const kernel = (index: number, log2Us: number, m: number, templateId?: string) => ({
    kernelId: `k${index}`,
    templateId,
    log2Us,
    forecast: { kernelId: `k${index}`, pOk: 1, m, sigmaLow: 1, sigmaHigh: 1 },
  });

  it("states the chance of drawing a good kernel", () => {
    const pool = Array.from({ length: 20 }, (_, index) => kernel(index, index, index));
    // One good kernel of 20, two drawn.
    expect(topTenth(pool, 1)).toEqual({ within: 1, chance: expect.closeTo(0.1, 12) as number });
    const missed = pool.map((one, index) => (index === 0 ? kernel(0, 0, 99) : one));
    expect(topTenth(missed, 1)?.within).toBe(0);
  });

  it("counts a template once, and leaves out tasks where anything will do", () => {
    const copies = Array.from({ length: 50 }, (_, index) => kernel(100 + index, 0, 0, "fast"));
    const rest = Array.from({ length: 19 }, (_, index) => kernel(index, 3 + index, 3 + index));
    expect(topTenth([...copies, ...rest], 1)?.chance).toBeCloseTo(0.1, 12);
    expect(
      topTenth(
        Array.from({ length: 20 }, (_, index) => kernel(index, 0, index)),
        1,
      ),
    ).toBeUndefined();
    expect(topTenth([], 1)).toBeUndefined();
  });
});

describe("scoreTasks", () => {
  it("averages over tasks, not kernels, with intervals that hold the mean, and repeats itself", () => {
    const good = judged(160, () => 0, "good");
    const bad = judged(40, (index) => 8 * (keyedUniform("bad", index) - 0.5), "bad");
    const all = scoreTasks([good, bad], 3);
    expect(all).toMatchObject({ tasks: 2, kernels: 200 });
    const { mean: average, low, high, tasks } = all.scores.pairwise;
    expect(tasks).toBe(2);
    expect(average).toBeCloseTo(((all.byTask["good"]?.pairwise ?? 0) + (all.byTask["bad"]?.pairwise ?? 0)) / 2, 12);
    expect(low).toBeLessThan(average as number);
    expect(high).toBeGreaterThan(average as number);
    expect(scoreTasks([good, bad], 3)).toEqual(all);
  });
});

describe("scores that do not mind", () => {
  const error = (index: number): number => 0.8 * normalQuantile(keyedUniform("invariant", index));
  const task = judged(120, error, "invariant");
  const scores = scoreTask(task, 1);

  function expectSame(other: JudgedTask): void {
    const rounded = (of: TaskScores): unknown =>
      Object.entries(of).map(([name, value]) => `${name} ${(value as number).toFixed(9)}`);
    expect(rounded(scoreTask(other, 1))).toEqual(rounded(scores));
  }

  it("the order of the kernels", () => {
    expectSame({ ...task, judged: task.judged.toReversed() });
  });

  it("the unit of time", () => {
    const shift = 3.25;
    expectSame({
      ...task,
      judged: task.judged.map((one) => ({
        ...one,
        log2Us: one.log2Us === undefined ? undefined : one.log2Us + shift,
        forecast: { ...one.forecast, m: one.forecast.m + shift },
      })),
      log2Us: new Map([...task.log2Us].map(([id, log2Us]) => [id, log2Us + shift])),
      prior: { ...prior, m: prior.m + shift },
    });
  });

  it("for ranks alone, any increasing map of the medians", () => {
    const warped = task.judged.map((one) => ({ ...one, forecast: { ...one.forecast, m: one.forecast.m ** 3 } }));
    const { pairwise, spearman, "top tenth within 5 %": top } = scoreTask({ ...task, judged: warped }, 1);
    expect({ pairwise, spearman, top }).toEqual({
      pairwise: scores.pairwise,
      spearman: scores.spearman,
      top: scores["top tenth within 5 %"],
    });
  });
});

describe("forecasts that are all alike", () => {
  const task = judged(160, () => 0, "alike");
  const alike = { ...task, judged: task.judged.map((one) => ({ ...one, forecast: { ...one.forecast, m: 5 } })) };

  it("order half of the pairs, correlate with nothing, and find the best by chance", () => {
    const scores = scoreTask(alike, 1);
    expect(scores).toMatchObject({ pairwise: 0.5, spearman: 0, "aurc normalised": expect.closeTo(1, 9) as number });
    expect(scores["top tenth within 5 %"]).toBeCloseTo(scores["chance of top tenth"] as number, 12);
  });
});

describe("the calibration error that chance leaves", () => {
  it("is what honest forecasts show, more of few kernels than of many, and much less than boastful ones do", () => {
    const honest = (index: number): number => 0.3 * normalQuantile(keyedUniform("floor", index));
    const few = scoreTask(judged(200, honest, "floor"), 1);
    const many = scoreTask(judged(4000, honest, "floor"), 1);
    expect(few["ece if calibrated"]).toBeGreaterThan(1.5 * (many["ece if calibrated"] ?? 1));
    expect(many.ece).toBeLessThan(2 * (many["ece if calibrated"] ?? 0) + 0.01);
    const boastful = scoreTask(
      judged(4000, (index) => 6 * honest(index), "floor"),
      1,
    );
    expect(boastful.ece).toBeGreaterThan(5 * (boastful["ece if calibrated"] ?? 1));
  });

  it("does not tear apart probabilities that are equal but for rounding", () => {
    const task = judged(60, () => 0, "rounding");
    const likeParent = task.judged.map((one) => {
      const m = (one.parentId === null ? undefined : task.log2Us.get(one.parentId)) ?? 0;
      return { ...one, forecast: { ...one.forecast, m } };
    });
    expect(new Set(winForecasts({ ...task, judged: likeParent }).map(({ probability }) => probability)).size).toBe(1);
  });
});

describe("coverage", () => {
  it("counts the truths between the quantiles", () => {
    const task = judged(200, (index) => 0.5 * normalQuantile(keyedUniform("cover", index)), "cover");
    for (const level of [0.5, 0.8, 0.95] as const) {
      const inside = workingForecasts(task).map(({ forecast, log2Us }) => {
        const [low, high] = [(1 - level) / 2, (1 + level) / 2].map((p) => forecastQuantile(forecast, p)) as [
          number,
          number,
        ];
        return log2Us >= low && log2Us <= high ? 1 : 0;
      });
      expect(scoreTask(task, 1)[`coverage ${100 * level}` as "coverage 50"]).toBeCloseTo(mean(inside) as number, 12);
    }
  });
});

describe("the histogram of where truths lie", () => {
  it("is flat for honest forecasts, and has a share in every task for 1 in all", () => {
    const error = (index: number): number => 0.3 * normalQuantile(keyedUniform("pit", index));
    const { pit } = scoreTasks([judged(4000, error, "one"), judged(80, error, "two")], 1);
    expect(pit).toHaveLength(20);
    expect(pit.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(Math.max(...scoreTasks([judged(4000, error, "one")], 1).pit)).toBeLessThan(0.08);
  });

  it("leans to one side for forecasts that are too slow", () => {
    const { pit } = scoreTasks([judged(100, () => 2, "slow")], 1);
    expect(pit[0]).toBeCloseTo(1, 12);
  });
});
