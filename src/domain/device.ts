import type { Precision } from "./dtype.ts";

/** A device's identity and measured or derived ceilings; what forecasts and floors are computed from. */
export interface DeviceInfo {
  /** Marketing name as the driver gives it, for example `NVIDIA H100 80GB HBM3`. */
  readonly name: string;
  /** Compute capability, for example `9.0`. */
  readonly computeCapability: string;
  readonly multiprocessors: number;
  readonly memoryBytes: number;
  readonly l2Bytes: number;
  readonly maxThreadsPerMultiprocessor: number;
  readonly registersPerMultiprocessor: number;
  readonly sharedMemoryPerMultiprocessor: number;
  readonly sharedMemoryPerBlock: number;
  /** Measured device-memory bandwidth in bytes per second, reads plus writes. */
  readonly bandwidth: number;
  /** Ceilings in operations per second by arithmetic, a multiply-add counted as two. */
  readonly flops: Readonly<Partial<Record<Precision, number>>>;
  /** Time of an empty launch in microseconds. */
  readonly launchFloorUs: number;
  readonly driver?: string;
  readonly clocks?: Readonly<Record<string, number>>;
}
