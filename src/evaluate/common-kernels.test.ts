import { describe, expect, it } from "vitest";
import { constantPrior, createBaseline } from "../forecast/baseline/baseline-forecaster.ts";
import { syntheticDeviceInfo } from "../testing/synthetic.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { onlyMeasuredByAll, scorePaired } from "./common-kernels.ts";
import { judgeForecaster, type JudgedAnswers } from "./judge-forecaster.ts";
import { packAnswers, unpackAnswers } from "./kept-answers.ts";
import { scoreTasks } from "./score-tasks.ts";

const taskIds = ["a", "b", "c"];
const recording = syntheticRecording({ taskIds, kernels: 40, secondDevice: { name: "second", everyNth: 4 } });

async function judge(kind: "constant" | "length", evidence: boolean): Promise<JudgedAnswers[]> {
  const options = {
    device: syntheticDeviceInfo,
    prior: { ...constantPrior, pOk: 0.9 },
    view: "start",
    seed: 1,
  } as const;
  const answers = await Promise.all(
    taskIds.map((taskId) => judgeForecaster(createBaseline(kind), recording, { ...options, taskId, evidence })),
  );
  return answers.filter((one) => one !== undefined);
}

describe("answers that are compared", () => {
  it("read back as they were written, and score alike", async () => {
    const answers = await judge("length", true);
    const again = answers.map((one) => unpackAnswers(packAnswers(one)));
    expect(again).toEqual(answers);
    expect(scoreTasks(again, 1)).toEqual(scoreTasks(answers, 1));
  });

  it("are scored on the kernels of both", async () => {
    const [first, second] = [await judge("constant", true), await judge("length", true)];
    const fewer = second.slice(1).map((task) => ({ ...task, judged: task.judged.slice(3) }));
    const paired = scorePaired(first, fewer, 1);
    expect(paired.first.kernels).toBe(fewer.reduce((sum, { judged }) => sum + judged.length, 0));
    expect(paired.second.kernels).toBe(paired.first.kernels);
    expect(paired.first.tasks).toBe(2);
    const [before, after] = [paired.first.scores.crps.mean, paired.second.scores.crps.mean] as [number, number];
    expect(paired.differences.crps.mean).toBeCloseTo(after - before, 12);
    expect(after).not.toBe(before);
    expect(scorePaired(first, first, 1).differences.crps).toMatchObject({ mean: 0, tasks: 3 });
  });
});

it("a recording of what two devices measured has the same kernels on both", () => {
  const both = onlyMeasuredByAll(recording, [syntheticDeviceInfo.name, "second"]);
  const [first, second] = [syntheticDeviceInfo.name, "second"].map((device) => [
    ...both.measurements("a", device).keys(),
  ]);
  expect(first).toEqual(second);
  expect(first).toHaveLength(10);
  expect(recording.measurements("a", syntheticDeviceInfo.name).size).toBe(40);
});
