import type { Kernel, RecordedKernel, RecordedTask, Recording } from "../domain/index.ts";

/**
 * The kernel that a task's search starts from. Of the kernels without a parent that are ok: the first whose origin is
 * `seed`, else the first. Without one, the first ok kernel. When none is ok, the first without a parent, and where each
 * has one, the first. Undefined without kernels.
 */
export function chooseSeed(
  kernels: readonly RecordedKernel[],
  isOk: (kernelId: string) => boolean,
): Kernel | undefined {
  const ok = kernels.filter(({ kernel }) => isOk(kernel.kernelId));
  const isRoot = ({ parentId }: RecordedKernel): boolean => parentId === null;
  const chosen =
    ok.find((recorded) => isRoot(recorded) && recorded.origin === "seed") ??
    ok.find(isRoot) ??
    ok[0] ??
    kernels.find(isRoot) ??
    kernels[0];
  return chosen?.kernel;
}

/** The recording as a search on one device sees it: a task whose seed is not ok there starts from another kernel. */
export function withSeedsFor(recording: Recording, device: string): Recording {
  const tasks = [...recording.tasks].map(([taskId, recorded]): [string, RecordedTask] => {
    const measured = recording.measurements(taskId, device);
    const isOk = (kernelId: string): boolean => measured.get(kernelId)?.status === "ok";
    if (isOk(recorded.task.seedKernel.kernelId)) return [taskId, recorded];
    const seedKernel = chooseSeed(recording.kernels(taskId), isOk) ?? recorded.task.seedKernel;
    return [taskId, { ...recorded, task: { ...recorded.task, seedKernel } }];
  });
  return { ...recording, tasks: new Map(tasks) };
}
