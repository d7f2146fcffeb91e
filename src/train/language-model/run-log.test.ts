import { expect, it } from "vitest";
import { readRunLog } from "./run-log.ts";

const line = (event: string, seconds: number, more: object = {}): string => JSON.stringify({ event, seconds, ...more });
const start = (from: number, more: object = {}): string =>
  line("start", 1, { kind: "rl", steps: 3, resumed_from: from, parameters: 100, trained: 7, device: "H100", ...more });
const step = (number: number, reward: number, sampling: number): string =>
  line("step", number, {
    step: number,
    step_seconds: 9,
    reward,
    rollouts: 30,
    sampling_seconds: sampling,
    learning_seconds: 1,
    memory_gib: 10 + number,
  });
const scores = { tasks: 2, kernels: 20 };

it("a run's events, resumed and judged, are read as one", () => {
  const log = readRunLog(
    [
      line("data", 0, { split: "train", examples: 40, too_long: 2 }),
      start(0),
      step(1, 0.1, 2),
      line("judge", 2, { step: 1, split: "validation", crps: 0.9, ...scores }),
      step(2, 0.2, 2),
      line("stop", 3, { step: 2, why: "limit_seconds", spent_seconds: 18 }),
      line("data", 0, { split: "train", examples: 40, too_long: 2 }),
      start(1),
      step(2, 0.25, 4),
      step(3, 0.3, 5),
      line("judge", 5, { step: 3, split: "validation", crps: 0.7, ...scores }),
      line("judge", 5, { step: 3, split: "train", crps: 0.4, ...scores }),
      line("done", 6, { steps: 3, spent_seconds: 27 }),
      line("judge", 40, { split: "test", file: "a/forecasts-test.jsonl", unread: 0.5, ...scores }),
      line("judge", 50, { split: "test", file: "a/forecasts-test.jsonl", unread: 0.25, ...scores }),
      line("judge", 60, { split: "test", file: "a/forecasts-pools.jsonl", unread: 0, ...scores }),
      line("a later trainer's own", 70),
      '{"event": "step", "seco',
    ].join("\n"),
  );
  expect(log.steps.map(({ step: number, reward }) => [number, reward])).toEqual([
    [1, 0.1],
    [2, 0.25],
    [3, 0.3],
  ]);
  expect(log.judgements.map(({ step: number, crps }) => [number, crps])).toEqual([
    [1, 0.9],
    [3, 0.7],
    [3, 0.4],
  ]);
  expect(log.evaluations.map(({ unread }) => unread)).toEqual([0.25, 0]);
  expect(log).toMatchObject({
    starts: 2,
    prompts: 40,
    isDone: true,
    trainingDeviceSeconds: 27,
    evaluationSeconds: 110,
    rolloutsPerSecond: 6,
    memoryGib: 13,
  });
});

it("of a run that was killed the steps' own time counts; of one that never trained there is nothing", () => {
  expect(readRunLog([start(0), step(1, 0, 2), step(2, 0, 2)].join("\n"))).toMatchObject({
    isDone: false,
    trainingDeviceSeconds: 18,
    rolloutsPerSecond: 10,
  });
  expect(readRunLog("")).toMatchObject({ start: undefined, steps: [], trainingDeviceSeconds: 0, evaluationSeconds: 0 });
});

it("GPUs that share the steps count each", () => {
  const { trainingDeviceSeconds } = readRunLog([start(0, { processes: 4 }), step(1, 0, 2)].join("\n"));
  expect(trainingDeviceSeconds).toBe(36);
});
