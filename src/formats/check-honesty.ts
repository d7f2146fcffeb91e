import type { Recording, Split } from "../domain/index.ts";
import type { Finding } from "./check-recording.ts";
import { nearDuplicates } from "./near-duplicates.ts";
import { findLeak } from "./source-leaks.ts";

/** A family is in one split only; either every task has a split or none. */
export function checkSplits(recording: Recording): Finding[] {
  const splits = new Map<string, Split>();
  const findings: Finding[] = [];
  for (const [taskId, { task, split }] of recording.tasks) {
    if (!split) continue;
    const other = splits.get(task.family);
    splits.set(task.family, split);
    if (other === undefined || other === split) continue;
    const message = `family "${task.family}" is in ${other} and in ${split}`;
    findings.push({ severity: "error", rule: "splits", taskId, message });
  }
  const without = [...recording.tasks.values()].filter(({ split }) => !split).length;
  if (without > 0 && without < recording.tasks.size) {
    findings.push({ severity: "error", rule: "splits", message: `${without} tasks are in no split` });
  }
  return findings;
}

/** Sources that appear, nearly unchanged, in two splits. */
export function checkNearDuplicates(recording: Recording): Finding[] {
  const taskOf = new Map<string, string>();
  const candidates = [...recording.tasks].flatMap(([taskId, { split }]) =>
    recording.kernels(taskId).map(({ kernel }) => {
      taskOf.set(kernel.kernelId, taskId);
      return { id: kernel.kernelId, source: kernel.source, group: split ?? "" };
    }),
  );
  return nearDuplicates(candidates).map(({ first, second, similarity }) => ({
    severity: "error",
    rule: "near-duplicate",
    message:
      `kernels ${first} (${taskOf.get(first)}) and ${second} (${taskOf.get(second)}) are in different splits ` +
      `and ${Math.round(similarity * 100)} % alike`,
  }));
}

/** Comments and names that tell a kernel's performance. */
export function checkLeaks(recording: Recording): Finding[] {
  return [...recording.tasks.keys()].flatMap((taskId) =>
    recording.kernels(taskId).flatMap(({ kernel }): Finding[] => {
      const leak = findLeak(kernel.source);
      if (leak === undefined) return [];
      const message = `kernel ${kernel.kernelId} says "${leak}" in its source`;
      return [{ severity: "error", rule: "leak", taskId, message }];
    }),
  );
}
