import type { DeviceInfo, Task } from "../../domain/index.ts";

/** Shortest time that is believed of a task whose work is not stated and a device whose launch floor is not. */
const leastUs = 1;

/**
 * log2 of the time in µs that the task's work needs at the device's ceilings, whatever the kernel: arithmetic at the fastest
 * precision that the tolerance permits, or bytes at the measured bandwidth, and no less than an empty launch.
 */
export function rooflineLog2Us(
  { workload, precisions }: Task,
  { flops, bandwidth, launchFloorUs }: DeviceInfo,
): number {
  const peak = Math.max(0, ...precisions.flatMap((precision) => flops[precision] ?? []));
  const arithmeticUs = peak > 0 ? (1e6 * workload.flops) / peak : 0;
  const memoryUs = bandwidth > 0 ? (1e6 * workload.bytesMin) / bandwidth : 0;
  return Math.log2(Math.max(leastUs, launchFloorUs, arithmeticUs, memoryUs));
}
