import { keyedShuffle, recordedRuntimeUs, type Recording } from "../domain/index.ts";

const orders = 500;
const nearBest = 1.05;

/**
 * Mean number of measurements, over 500 keyed random orders of a task's kernels, until one is within 5 % of the best;
 * undefined where the device has no ok kernel of the task. Kernels that it did not measure do not take part.
 */
export function randomOrderNeeds(recording: Recording, taskId: string, device: string): number | undefined {
  const measured = recording.measurements(taskId, device);
  const runtimes = recording.kernels(taskId).flatMap(({ kernel }) => {
    const measurement = measured.get(kernel.kernelId);
    return measurement ? [recordedRuntimeUs(measurement) ?? Infinity] : [];
  });
  const wanted = nearBest * Math.min(Infinity, ...runtimes);
  if (wanted === Infinity) return undefined;
  const needs = Array.from({ length: orders }, (_, seed) => {
    const order = keyedShuffle(runtimes, seed, "random order", taskId);
    return order.findIndex((runtime) => runtime <= wanted) + 1;
  });
  return needs.reduce((sum, need) => sum + need, 0) / needs.length;
}
