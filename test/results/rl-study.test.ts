import { describe, expect, it } from "vitest";
import { mainDevice } from "../../src/domain/index.ts";
import { loadRecording } from "../../src/formats/load-recording.ts";
import { readRun, readStudy, type FinishedRun } from "../../scripts/rl/study.ts";
import { tasksOfSplit } from "../../scripts/tasks-of-split.ts";

const atlas = await loadRecording("atlas");
const folders = ["docs/results/rl", "docs/results/rl-search", "docs/results/rl-doublings"];

function kernelsOf(split: string): Set<string> {
  const tasks = tasksOfSplit(atlas, split);
  return new Set(tasks.flatMap((taskId) => atlas.kernels(taskId).map(({ kernel }) => kernel.kernelId)));
}

/** What is wrong with a run's forecasts of a part. */
function faultsOf({ name, forecasts }: FinishedRun, part: string): string[] {
  const known = kernelsOf(part === "validation" ? "validation" : "test");
  const own = forecasts.get(part) ?? [];
  const ids = own.map(({ forecast }) => forecast.kernelId);
  const strange = ids.filter((id) => !known.has(id));
  const others = own.filter(({ device, anchorIds }) => device !== mainDevice(atlas) || anchorIds.length === 0);
  return [
    ...(new Set(ids).size < ids.length ? [`${name}: kernels more than once in ${part}`] : []),
    ...(strange.length > 0 ? [`${name}: ${strange.length} kernels in ${part} that are of another split`] : []),
    ...(others.length > 0
      ? [`${name}: ${others.length} forecasts of ${part} for another device or without an anchor`]
      : []),
  ];
}

describe.each(folders)("the study of %s", async (folder) => {
  const study = await readStudy(folder);
  const names = study.arms.flatMap(({ runs }) => runs);
  const found = await Promise.all(names.map((run) => readRun(folder, run)));
  const runs = found.filter((run) => run !== undefined);

  it("has every run that it names, each named once, and arms that differ", () => {
    expect(runs.map(({ name }) => name)).toEqual(names);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(study.arms.map(({ label }) => label)).size).toBe(study.arms.length);
  });

  it("has forecasts of the recording's own kernels, once each, from what was measured", () => {
    const faults = runs.flatMap((run) => ["validation", "test", "pools"].flatMap((part) => faultsOf(run, part)));
    expect(faults).toEqual([]);
  });

  it("has runs that went to their end, and as many forecasts as their events tell of", () => {
    const faults = runs.flatMap(({ name, log, forecasts }) => [
      ...(log.steps.length > 0 && !log.isDone ? [`${name} stopped at step ${log.steps.at(-1)?.step}`] : []),
      ...log.evaluations
        .filter(({ split, file }) => split === "test" && String(file).includes("forecasts-test"))
        .filter((one) => one["forecasts"] !== forecasts.get("test")?.length)
        .map(() => `${name}: not as many forecasts as its last evaluation made`),
    ]);
    expect(faults).toEqual([]);
  });
});
