/** Tasks, kernels and devices in the spelling of files and protocols: plain JSON, snake case, numbers only. */
import type { DeviceInfo } from "./device.ts";
import type { Kernel, ResolvedLaunch } from "./kernel.ts";
import { resolveLaunch } from "./launch.ts";
import type { Tolerance, Workload } from "./task.ts";

export interface WireLaunch {
  readonly kernel: string;
  readonly grid: readonly [number, number, number];
  readonly block: readonly [number, number, number];
  readonly smem_bytes: number;
  readonly args: readonly (string | Readonly<Record<string, number>>)[];
}

export interface WireWorkload {
  readonly sizes: Readonly<Record<string, number>>;
  readonly args: readonly Readonly<Record<string, unknown>>[];
  readonly flops: number;
  readonly bytes_min: number;
}

export function toWireWorkload(workload: Workload): WireWorkload {
  const args = workload.args.map(({ name, dtype, shape, role, draw }) => ({
    name,
    dtype,
    shape,
    role,
    ...(draw ? { draw } : {}),
  }));
  return { sizes: workload.sizes, args, flops: workload.flops, bytes_min: workload.bytesMin };
}

export function toWireTolerance(tolerance: Tolerance): Readonly<Record<string, unknown>> {
  if (tolerance.type !== "mismatch_frac") return tolerance;
  const { type, rtol, atol, maxFraction } = tolerance;
  return { type, rtol, atol, max_fraction: maxFraction };
}

function toWireLaunch(launch: ResolvedLaunch): WireLaunch {
  return {
    kernel: launch.kernel,
    grid: launch.grid,
    block: launch.block,
    smem_bytes: launch.smemBytes,
    args: launch.args.map((argument) =>
      typeof argument === "string" ? argument : { [argument.dtype]: argument.value },
    ),
  };
}

/**
 * A kernel's launches for one workload: names are the workload's sizes and the kernel's integer `-DNAME=value` compile
 * options. Throws `KernelcastError("task", …)` for an expression that does not evaluate.
 */
export function toWireLaunches(kernel: Kernel, workload: Workload): WireLaunch[] {
  const names = { ...integerDefines(kernel.compileOptions), ...workload.sizes };
  return kernel.launches.map((launch) => toWireLaunch(resolveLaunch(launch, names)));
}

/** The integer macros among compile options: `-DBLOCK=128` gives `{BLOCK: 128}`. */
export function integerDefines(compileOptions: readonly string[]): Record<string, number> {
  const defines: Record<string, number> = {};
  for (const option of compileOptions) {
    const match = /^(?:-D|--define-macro=)\s*([A-Za-z_]\w*)=(-?\d+)$/.exec(option);
    if (match?.[1] && match[2]) defines[match[1]] = Number(match[2]);
  }
  return defines;
}

export function toWireDevice(device: DeviceInfo) {
  return {
    name: device.name,
    compute_capability: device.computeCapability,
    multiprocessors: device.multiprocessors,
    memory_bytes: device.memoryBytes,
    l2_bytes: device.l2Bytes,
    max_threads_per_multiprocessor: device.maxThreadsPerMultiprocessor,
    registers_per_multiprocessor: device.registersPerMultiprocessor,
    shared_memory_per_multiprocessor: device.sharedMemoryPerMultiprocessor,
    shared_memory_per_block: device.sharedMemoryPerBlock,
    bandwidth: device.bandwidth,
    flops: { ...device.flops },
    launch_floor_us: device.launchFloorUs,
    ...(device.driver ? { driver: device.driver } : {}),
    ...(device.clocks ? { clocks: { ...device.clocks } } : {}),
  };
}
