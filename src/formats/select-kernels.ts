import {
  keyedShuffle,
  keyedUniform,
  passDifference,
  recordedRuntimeUs,
  type RecordedMeasurement,
  type Recording,
} from "../domain/index.ts";

/** Ids of the kernels whose first two passes differ by more than a share and that have no third one. */
export function unconfirmedKernels(measurements: readonly RecordedMeasurement[], over: number): string[] {
  return measurements
    .filter((measurement) => !measurement.runtimePass3 && (passDifference(measurement) ?? 0) > over)
    .map(({ kernelId }) => kernelId);
}

export interface SampleOptions {
  /** Kernels in all. */
  readonly count: number;
  readonly seed: number;
  /** The device whose verdicts and runtimes the strata are of. */
  readonly device: string;
}

/**
 * A keyed sample of what a device measured: as many kernels of each task, as far as it has them; of a task failed kernels in
 * proportion, and of the others one from each of as many equal ranges of rank by runtime. The seed kernel is always among
 * them, in place of the one of its range. Ids by task, in recorded order.
 */
export function stratifiedSample(recording: Recording, options: SampleOptions): Map<string, string[]> {
  const taskIds = [...recording.tasks.keys()];
  const sizes = taskIds.map((taskId) => recording.measurements(taskId, options.device).size);
  const quotas = fairShares(sizes, options.count);
  return new Map(taskIds.map((taskId, index) => [taskId, sampleTask(recording, taskId, quotas[index] ?? 0, options)]));
}

/** Shares of a whole, as equal as the sizes permit; they add up to it, or to all sizes where those are less. */
function fairShares(sizes: readonly number[], whole: number): number[] {
  const shares = sizes.map(() => 0);
  let left = whole;
  const ascending = sizes.map((size, index) => ({ size, index })).sort((a, b) => a.size - b.size || a.index - b.index);
  ascending.forEach(({ size, index }, position) => {
    const share = Math.min(size, Math.floor(left / (ascending.length - position)));
    shares[index] = share;
    left -= share;
  });
  return shares;
}

function sampleTask(recording: Recording, taskId: string, quota: number, { seed, device }: SampleOptions): string[] {
  const measured = [...recording.measurements(taskId, device).values()];
  const failed = measured.filter(({ status }) => status !== "ok").map(({ kernelId }) => kernelId);
  const failedQuota = measured.length === 0 ? 0 : Math.round((quota * failed.length) / measured.length);
  const seedId = recording.tasks.get(taskId)?.task.seedKernel.kernelId;
  const chosen = new Set([
    ...keyedShuffle(failed, seed, "sample failed", taskId).slice(0, failedQuota),
    ...sampleRanks(rankedByRuntime(measured), quota - failedQuota, [seed, "sample rank", taskId], seedId),
  ]);
  return recording.kernels(taskId).flatMap(({ kernel }) => (chosen.has(kernel.kernelId) ? [kernel.kernelId] : []));
}

function rankedByRuntime(measured: readonly RecordedMeasurement[]): string[] {
  return measured
    .flatMap((measurement) => {
      const us = recordedRuntimeUs(measurement);
      return us === undefined ? [] : [{ us, kernelId: measurement.kernelId }];
    })
    .sort((a, b) => a.us - b.us || (a.kernelId < b.kernelId ? -1 : 1))
    .map(({ kernelId }) => kernelId);
}

function sampleRanks(
  ranked: readonly string[],
  count: number,
  key: readonly (string | number)[],
  seedId: string | undefined,
): string[] {
  return Array.from({ length: Math.min(count, ranked.length) }, (_, stratum) => {
    const bound = (index: number): number => Math.floor((index * ranked.length) / Math.min(count, ranked.length));
    const range = ranked.slice(bound(stratum), bound(stratum + 1));
    const drawn = range[Math.floor(keyedUniform(...key, stratum) * range.length)] as string;
    return range.find((kernelId) => kernelId === seedId) ?? drawn;
  });
}
