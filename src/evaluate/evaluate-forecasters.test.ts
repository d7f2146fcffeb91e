import { describe, expect, it } from "vitest";
import { recordedRuntimeUs, type Forecaster } from "../domain/index.ts";
import { createBaseline } from "../forecast/baseline/baseline-forecaster.ts";
import { renderEvaluation } from "../report/evaluation/page.ts";
import { syntheticDeviceInfo } from "../testing/synthetic.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import {
  evaluateForecasters,
  type Evaluation,
  type EvaluateOptions,
  type NamedForecaster,
} from "./evaluate-forecasters.ts";
import { evaluationDocuments, type EvaluationResult } from "./evaluation-document.ts";

const taskIds = ["synthetic-a", "synthetic-b", "synthetic-c"];
const recording = syntheticRecording({ taskIds, kernels: 40 });
const options: EvaluateOptions = { device: syntheticDeviceInfo, taskIds, view: "start", evidence: true, seed: 1 };

/** Knows the truth of what works but for a shift in log2 units. */
function informed(shift: number): Forecaster {
  return {
    name: "informed",
    forecast: ({ task, candidates }) => {
      const measurements = recording.measurements(task.taskId, syntheticDeviceInfo.name);
      const forecasts = candidates.flatMap(({ kernelId }) => {
        const measurement = measurements.get(kernelId);
        const us = measurement && recordedRuntimeUs(measurement);
        if (us === undefined) return [];
        return [{ kernelId, pOk: 0.99, m: Math.log2(us) + shift, sigmaLow: 0.2, sigmaHigh: 0.2 }];
      });
      return Promise.resolve({ forecasts, cost: { cpuSeconds: 0.5, tokens: 10, usd: 0.25 } });
    },
  };
}

const named = (label: string, forecaster: Forecaster, isBaseline = false): NamedForecaster => ({
  label,
  forecaster,
  isBaseline,
});
const forecasters = [
  named("truth", informed(0)),
  named("late", informed(1)),
  named("baseline:constant", createBaseline("constant"), true),
];

async function evaluate(change: Partial<EvaluateOptions> = {}): Promise<EvaluationResult> {
  const result = await evaluateForecasters(forecasters, recording, { ...options, ...change });
  const { view, evidence, seed } = options;
  const setting = {
    recording: "synthetic",
    split: "test",
    device: "synthetic",
    view,
    evidence,
    sources: "raw" as const,
    seed,
    notes: ["a note"],
  };
  return { ...result, setting };
}

describe("evaluating several forecasters", () => {
  it("asks all for the same kernels and pairs the differences by task", async () => {
    const [truth, late, constant] = (await evaluate()).evaluations as [Evaluation, Evaluation, Evaluation];
    const asked = [truth, late, constant].map(({ scores }) => `${scores.kernels} ${scores.pairs}`);
    expect(new Set(asked).size).toBe(1);
    expect(truth.paired).toBeUndefined();
    expect(late.paired?.pairwise).toMatchObject({ mean: 0, low: 0, high: 0, tasks: 3 });
    expect(late.paired?.crps.mean).toBeGreaterThan(0.5);
    expect(constant.paired?.pairwise.mean).toBeCloseTo(0.5 - 1, 12);
    const mean = ({ scores }: Evaluation, name: "crps" | "brier"): number => scores.scores[name].mean as number;
    expect(late.paired?.crps.mean).toBeCloseTo(mean(late, "crps") - mean(truth, "crps"), 12);
    expect(late.paired?.brier.mean).toBeCloseTo(mean(late, "brier") - mean(truth, "brier"), 12);
  });

  it("is a function of its seed, and tells what it is at", async () => {
    const told: string[] = [];
    const first = await evaluate({
      onTask: (label, taskId, done, all) => told.push(`${label} ${taskId} ${done}/${all}`),
    });
    const scores = ({ evaluations }: EvaluationResult): unknown => evaluations.map((one) => [one.scores, one.paired]);
    expect(scores(await evaluate())).toEqual(scores(first));
    expect(told[1]).toBe("truth synthetic-b 1/3");
    expect(told).toHaveLength(9);
  });

  it("leaves out tasks that nothing is known of, and refuses where that is all", async () => {
    const some = await evaluate({ taskIds: ["absent", "synthetic-b"] });
    expect(some.leftOut).toEqual(["absent"]);
    expect(some.evaluations[0]?.scores.tasks).toBe(1);
    await expect(evaluate({ taskIds: ["absent"] })).rejects.toThrow(
      /synthetic: nothing to judge by: in task absent no two kernels have a time on synthetic/,
    );
  });

  it("scores all on the kernels alone that any, or all, have answered", async () => {
    const everything = (await evaluate()).evaluations[0];
    const answers = async (keeps: (kernelId: string) => boolean): Promise<Forecaster> => ({
      name: "some",
      forecast: async (request) => {
        const answer = await informed(0).forecast(request);
        return { ...answer, forecasts: answer.forecasts.filter(({ kernelId }) => keeps(kernelId)) };
      },
    });
    const some = [
      named("low", await answers((kernelId) => kernelId < "8")),
      named("lower", await answers((kernelId) => kernelId < "4")),
      named("baseline:constant", createBaseline("constant"), true),
    ];
    const [any, all] = await Promise.all(
      (["any", "all"] as const).map((answered) => evaluateForecasters(some, recording, { ...options, answered })),
    );
    const ids = (result: typeof any): string[][] =>
      result?.evaluations.map(({ judged }) => judged.flatMap((task) => task.judged.map(({ kernelId }) => kernelId))) ??
      [];
    const known = everything?.judged.flatMap((task) => task.judged.filter(({ isUnanswered }) => !isUnanswered)) ?? [];
    const below = (limit: string): string[] => known.flatMap(({ kernelId }) => (kernelId < limit ? [kernelId] : []));
    expect(below("4").length).toBeGreaterThan(5);
    expect(ids(any)).toEqual([below("8"), below("8"), below("8")]);
    expect(ids(all)).toEqual([below("4"), below("4"), below("4")]);
    expect(any?.unanswered).toBe((everything?.scores.kernels ?? 0) - below("8").length);
    const missing = any?.evaluations.map(({ judged }) => judged.reduce((sum, task) => sum + task.missing, 0));
    expect(missing).toEqual([0, below("8").length - below("4").length, 0]);
    await expect(
      evaluateForecasters([named("none", await answers(() => false))], recording, { ...options, answered: "all" }),
    ).rejects.toThrow(/no kernel that all of the forecasters have answered/);
  });

  it("stops when told to", async () => {
    await expect(evaluate({ signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
  });
});

describe("the document of an evaluation", () => {
  it("has every figure, counts what was missing and spent, and the baselines beside", async () => {
    const result = await evaluate();
    const [truth, late, ...rest] = evaluationDocuments(result) as [Record<string, unknown>, Record<string, unknown>];
    expect(rest).toEqual([]);
    const failing = taskIds.flatMap((taskId) =>
      [...recording.measurements(taskId, "synthetic").values()].filter(
        ({ status }) => status !== "ok" && status !== "compile_error",
      ),
    );
    expect(truth).toMatchObject({
      forecaster: "truth",
      split: "test",
      view: "start",
      evidence: true,
      tasks: 3,
      pairwise_accuracy: { value: 1, ci: [1, 1], buckets: { ">3": 1 }, parent_child: 1 },
      spearman: { mean: expect.closeTo(1, 9) as number },
      coverage: { "50": 1, "80": 1, "95": 1 },
      cost: { cpu_seconds: 1.5, tokens: 30, usd: 0.75 },
      missing_forecasts: failing.length,
    });
    expect(failing.length).toBeGreaterThan(0);
    expect(truth["notes"]).toContainEqual(
      `truth gave no valid forecast of ${failing.length} kernels: scored as the prior`,
    );
    expect(truth["notes"]).toContain("a note");
    expect((truth["by_task"] as { task_id: string }[]).map((row) => row.task_id)).toEqual(taskIds);
    expect(Object.keys(truth["baselines"] as object)).toEqual(["baseline:constant"]);
    expect(truth["paired"]).toBeUndefined();
    expect(late["paired"]).toMatchObject({ against: "truth", pairwise_accuracy: { difference: 0, tasks: 3 } });
    expect(JSON.parse(JSON.stringify(truth))).toEqual(truth);
  });

  it("says where a CRPS is so bad that calibration does not count", async () => {
    const hopeless = await evaluateForecasters([named("hopeless", informed(9))], recording, options);
    const { setting } = await evaluate();
    const [document] = evaluationDocuments({ ...hopeless, setting });
    expect(document?.["notes"]).toContainEqual(expect.stringMatching(/CRPS of hopeless is no better than the prior's/));
  });
});

describe("the page of an evaluation", () => {
  it("is one file without scripts or links, its charts also files of their own", async () => {
    const result = await evaluate();
    const { page, files } = renderEvaluation(result);
    expect([...files.keys()]).toEqual(["reliability.svg", "risk-coverage.svg", "pit.svg", "ranks.svg", "ranks-2.svg"]);
    expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
    expect(page).toContain("Ranks by task: late");
    expect(page).toContain("prefers-color-scheme:dark");
    for (const svg of files.values()) {
      expect(svg).toMatch(/^<svg xmlns=/);
      expect(svg).toMatch(/aria-label="[^"]+"/);
      expect(svg).not.toContain("NaN");
    }
    const dots = files.get("ranks.svg")?.match(/<circle/g)?.length;
    expect(dots).toBe(
      result.evaluations[0]?.judged.flatMap(({ judged }) => judged).filter((one) => one.log2Us !== undefined).length,
    );
  });

  it("is the same each time but for the speed", async () => {
    const [first, second] = await Promise.all([evaluate(), evaluate()]);
    expect(renderEvaluation(second).files).toEqual(renderEvaluation(first).files);
  });

  it("escapes names of others", async () => {
    const result = await evaluate();
    const { page } = renderEvaluation({ ...result, setting: { ...result.setting, recording: "<img src=x>" } });
    expect(page).not.toContain("<img");
  });
});
