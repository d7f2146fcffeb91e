import { mean, pairwiseAccuracy, quantile, recordedRuntimeUs, spearman, type Recording } from "../domain/index.ts";

/** How one task's kernels compare on two devices. */
export interface TaskAgreement {
  readonly taskId: string;
  /** Kernels that both measured, those with another verdict, and the pairs of runtimes (µs) of those ok on both. */
  readonly kernels: number;
  readonly otherVerdict: number;
  readonly runtimes: readonly (readonly [first: number, second: number])[];
  readonly spearman: number | undefined;
  /** Share of the pairs at least 10 % apart on the first device that the second orders alike. */
  readonly pairwise: number | undefined;
  /** Median of second / first. */
  readonly ratio: number | undefined;
}

/** How two devices of a recording compare; means over tasks. */
export interface DeviceAgreement {
  readonly first: string;
  readonly second: string;
  readonly kernels: number;
  readonly otherVerdict: number;
  readonly spearman: number | undefined;
  readonly pairwise: number | undefined;
  readonly ratio: number | undefined;
  readonly byTask: readonly TaskAgreement[];
}

export function deviceAgreement(recording: Recording, first: string, second: string): DeviceAgreement {
  const byTask = [...recording.tasks.keys()]
    .map((taskId) => taskAgreement(recording, taskId, first, second))
    .filter(({ kernels }) => kernels > 0);
  const overTasks = (pick: (task: TaskAgreement) => number | undefined): number | undefined =>
    mean(byTask.map(pick).filter((value) => value !== undefined));
  return {
    first,
    second,
    kernels: byTask.reduce((sum, { kernels }) => sum + kernels, 0),
    otherVerdict: byTask.reduce((sum, { otherVerdict }) => sum + otherVerdict, 0),
    spearman: overTasks((task) => task.spearman),
    pairwise: overTasks((task) => task.pairwise),
    ratio: overTasks((task) => task.ratio),
    byTask,
  };
}

function taskAgreement(recording: Recording, taskId: string, first: string, second: string): TaskAgreement {
  const onFirst = recording.measurements(taskId, first);
  const both = [...recording.measurements(taskId, second).values()].flatMap((there) => {
    const here = onFirst.get(there.kernelId);
    return here ? [{ here, there }] : [];
  });
  const runtimes = both.flatMap(({ here, there }): [number, number][] => {
    const [a, b] = [recordedRuntimeUs(here), recordedRuntimeUs(there)];
    return a === undefined || b === undefined ? [] : [[a, b]];
  });
  const [a, b] = [runtimes.map(([us]) => us), runtimes.map(([, us]) => us)];
  return {
    taskId,
    kernels: both.length,
    otherVerdict: both.filter(({ here, there }) => here.status !== there.status).length,
    runtimes,
    spearman: spearman(a, b),
    pairwise: pairwiseAccuracy(b, a),
    ratio: quantile(
      runtimes.map(([x, y]) => y / x),
      0.5,
    ),
  };
}
