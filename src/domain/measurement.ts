export const measurementStatuses = [
  "ok",
  "compile_error",
  "launch_error",
  "incorrect",
  "timeout",
  "crashed",
  "suspicious",
] as const;

export type MeasurementStatus = (typeof measurementStatuses)[number];
export type FailureStatus = Exclude<MeasurementStatus, "ok">;

/** Device times of one kernel, in microseconds. */
export interface Runtime {
  readonly medianUs: number;
  readonly p10Us: number;
  readonly p90Us: number;
  readonly n: number;
  /** Raw samples in the order taken; empty where a recording did not keep them. */
  readonly samplesUs: readonly number[];
}

/** What a compiler says of a kernel; of the heaviest kernel where a source has several. Sizes in bytes per block or thread. */
export interface Evidence {
  readonly regs?: number;
  readonly staticSmem?: number;
  readonly spillBytes?: number;
  /** Resident warps over the multiprocessor's maximum, 0–1, at the first launch's block size. */
  readonly occupancy?: number;
  /** Instruction counts by opcode class, where a disassembler was present. */
  readonly sass?: Readonly<Record<string, number>>;
  readonly machineCodeSha256?: string;
  readonly compileMs?: number;
}

/** A paired A B B A comparison against an anchor: log2(runtime / anchor's runtime) with its 95 % interval. */
export interface Confirmation {
  readonly anchorId: string;
  readonly logRatio: number;
  readonly low: number;
  readonly high: number;
  readonly blocks: number;
}

/** What measuring cost. GPU-seconds: the device held; CPU-seconds: compiling and checking. */
export interface MeasurementCost {
  readonly gpuSeconds: number;
  readonly cpuSeconds: number;
}

/** Whether a measurement was taken as it should be. */
export interface MeasurementConditions {
  /** The latest controls (equal kernels, known slow ones, cheats) came out right. */
  readonly controlsOk?: boolean;
  /** Heat or power forced the clocks down. */
  readonly throttled?: boolean;
}

interface MeasurementBase {
  readonly kernelId: string;
  readonly device: string;
  readonly evidence?: Evidence;
  readonly cost: MeasurementCost;
  /** Digest of the receipt (raw samples, environment, hashes) in the blob store. */
  readonly receiptSha256?: string;
  /** What the device said of itself meanwhile, where it did. */
  readonly conditions?: MeasurementConditions;
}

export interface OkMeasurement extends MeasurementBase {
  readonly status: "ok";
  readonly runtime: Runtime;
  readonly confirmation?: Confirmation;
}

export interface FailedMeasurement extends MeasurementBase {
  readonly status: FailureStatus;
  /** One line: what went wrong and where. */
  readonly error: string;
}

/** What a device said of one kernel. Failures are values, never exceptions. */
export type Measurement = OkMeasurement | FailedMeasurement;
