import type { Recording } from "../domain/index.ts";
import type { Finding } from "./check-recording.ts";
import { recordingInfo, type RecordingInfo, type TaskInfo } from "./recording-info.ts";

/** Counts that a recording must hold. Shares are 0–1. */
export interface RecordingRequirements {
  readonly tasks: number;
  readonly families: number;
  readonly testFamilies: number;
  readonly kernelsPerTask: number;
  readonly templatesPerTask: number;
  /** At most this share of a task's kernels differs from another in numbers only. */
  readonly constantShare: number;
  /** Share of all measured kernels that fail. */
  readonly failedShare: readonly [number, number];
  /** Share of ok kernels with two passes, and the most that passes may differ at the median. */
  readonly secondPassShare: number;
  readonly passDifference: number;
  /** Fastest against seed and against slowest ok kernel; missing them is a warning by task. */
  readonly seedSpeedup: number;
  readonly spread: number;
}

/** What the shipped recording must hold. */
export const atlasRequirements: RecordingRequirements = {
  tasks: 12,
  families: 10,
  testFamilies: 4,
  kernelsPerTask: 150,
  templatesPerTask: 6,
  constantShare: 0.3,
  failedShare: [0.05, 0.08],
  secondPassShare: 0.99,
  passDifference: 0.005,
  seedSpeedup: 2,
  spread: 5,
};

export function checkCounts(recording: Recording, requirements: RecordingRequirements): Finding[] {
  const info = recordingInfo(recording);
  return [...wholeFindings(info, requirements), ...info.byTask.flatMap((task) => taskFindings(task, requirements))];
}

function atLeast(rule: string, what: string, value: number, wanted: number): Finding[] {
  if (value >= wanted) return [];
  return [{ severity: "error", rule, message: `${what}: ${short(value)}, at least ${short(wanted)} are required` }];
}

function wholeFindings(info: RecordingInfo, wanted: RecordingRequirements): Finding[] {
  const findings = [
    ...atLeast("tasks", "tasks", info.tasks, wanted.tasks),
    ...atLeast("families", "families", info.families, wanted.families),
    ...atLeast("test-families", "families in the test split", info.splits["test"]?.families ?? 0, wanted.testFamilies),
    ...atLeast("measured", "measured kernels", info.measured, info.kernels),
  ];
  const failed = info.measured === 0 ? 0 : info.failed / info.measured;
  const [least, most] = wanted.failedShare;
  if (failed < least || failed > most) {
    const message = `${short(failed * 100)} % of the kernels fail; ${least * 100} to ${most * 100} % are required`;
    findings.push({ severity: "error", rule: "failed-share", message });
  }
  return [...findings, ...passFindings(info, wanted)];
}

function passFindings(info: RecordingInfo, wanted: RecordingRequirements): Finding[] {
  if (info.mainDevice === null) return [{ severity: "error", rule: "passes", message: "nothing was measured" }];
  return Object.entries(info.devices).flatMap(([device, { passes, ok }]) => {
    const what = `ok kernels with two passes on ${device}`;
    const findings = atLeast("passes", what, passes.kernels, wanted.secondPassShare * ok);
    if (passes.median === null || passes.median <= wanted.passDifference) return findings;
    const message = `passes on ${device} differ by ${short(passes.median * 100)} % at the median; at most ${wanted.passDifference * 100} % is required`;
    return [...findings, { severity: "error" as const, rule: "passes", message }];
  });
}

function taskFindings(task: TaskInfo, wanted: RecordingRequirements): Finding[] {
  const { taskId } = task;
  const findings = [
    ...atLeast("kernels", "kernels", task.kernels, wanted.kernelsPerTask),
    ...atLeast("templates", "templates", task.templates, wanted.templatesPerTask),
  ];
  if (task.constantShare > wanted.constantShare) {
    const message = `${short(task.constantShare * 100)} % of the kernels differ only in constants; at most ${wanted.constantShare * 100} % may`;
    findings.push({ severity: "error", rule: "constant-share", message });
  }
  return [...findings, ...spreadFindings(task, wanted)].map((finding) => ({ ...finding, taskId }));
}

function spreadFindings({ seedUs, bestUs, worstUs }: TaskInfo, wanted: RecordingRequirements): Finding[] {
  if (bestUs === null || worstUs === null) return [{ severity: "error", rule: "ok", message: "no kernel is ok" }];
  const findings: Finding[] = [];
  if (seedUs === null) findings.push({ severity: "error", rule: "seed", message: "the seed kernel is not ok" });
  else if (seedUs / bestUs < wanted.seedSpeedup) {
    const message = `the fastest kernel is ${short(seedUs / bestUs)} times as fast as the seed; ${wanted.seedSpeedup} is hoped for`;
    findings.push({ severity: "warning", rule: "seed-speedup", message });
  }
  if (worstUs / bestUs < wanted.spread) {
    const message = `the fastest kernel is ${short(worstUs / bestUs)} times as fast as the slowest; ${wanted.spread} is hoped for`;
    findings.push({ severity: "warning", rule: "spread", message });
  }
  return findings;
}

function short(value: number): number {
  return Number(value.toPrecision(3));
}
