/** What a worker answers, checked once at the edge and turned into domain values. Unknown members are ignored. */
import { z } from "zod";
import {
  measurementStatuses,
  precisions,
  type CompileOutcome,
  type DeviceInfo,
  type Evidence,
  type Measurement,
  type Runtime,
} from "../domain/index.ts";

/** One line from a worker: an answer, or an event at any time. */
export const workerLineSchema = z.union([
  z.object({ id: z.string(), result: z.unknown() }).refine((line) => line.result !== undefined),
  z.object({ id: z.string(), error: z.object({ code: z.string(), message: z.string() }) }),
  z.object({ event: z.string(), params: z.unknown().optional() }),
]);

export const helloAnswerSchema = z.object({
  protocol: z.int(),
  worker_version: z.string().nullish(),
  python: z.string().nullish(),
  roles: z.array(z.string()).nullish(),
  checks: z
    .array(
      z.object({
        name: z.string(),
        ok: z.boolean(),
        detail: z.string().nullish(),
        fix: z.string().nullish(),
      }),
    )
    .nullish(),
});

const count = z.number().nonnegative();

export const wireDeviceSchema = z.object({
  name: z.string(),
  compute_capability: z.string(),
  multiprocessors: count,
  memory_bytes: count,
  l2_bytes: count,
  max_threads_per_multiprocessor: count,
  registers_per_multiprocessor: count,
  shared_memory_per_multiprocessor: count,
  shared_memory_per_block: count,
  bandwidth: count,
  flops: z.record(z.string(), count),
  launch_floor_us: count,
  driver: z.string().nullish(),
  clocks: z.record(z.string(), z.number().nullable()).nullish(),
});

export type WireDevice = z.infer<typeof wireDeviceSchema>;

export const describeAnswerSchema = z.object({
  device: wireDeviceSchema,
  environment: z.record(z.string(), z.unknown()).nullish(),
  controls: z
    .array(
      z.object({
        name: z.string(),
        ok: z.boolean(),
        expected: z.unknown().optional(),
        got: z.unknown().optional(),
        detail: z.string().nullish(),
      }),
    )
    .nullish(),
});

export const taskAnswerSchema = z.object({ task_key: z.string() });

const wireEvidenceSchema = z.object({
  regs: count.nullish(),
  static_smem: count.nullish(),
  spill_bytes: count.nullish(),
  occupancy: count.nullish(),
  sass: z.record(z.string(), z.number()).nullish(),
  machine_code_sha256: z.string().nullish(),
  compile_ms: count.nullish(),
});

export type WireEvidence = z.infer<typeof wireEvidenceSchema>;

export const compileAnswerSchema = z.object({
  results: z.array(
    z.discriminatedUnion("ok", [
      z.object({ kernel_id: z.string(), ok: z.literal(true), evidence: wireEvidenceSchema }),
      z.object({ kernel_id: z.string(), ok: z.literal(false), error: z.string() }),
    ]),
  ),
});

const wireRuntimeSchema = z.object({
  median: z.number().positive(),
  p10: z.number().positive(),
  p90: z.number().positive(),
  n: z.int().positive(),
  samples: z.array(z.number()).nullish(),
});

type WireRuntime = z.infer<typeof wireRuntimeSchema>;

const measurementBase = {
  request_id: z.string(),
  kernel_id: z.string(),
  device: z.string(),
  evidence: wireEvidenceSchema.nullish(),
  cost: z.object({ gpu_seconds: count, cpu_seconds: count }),
  receipt: z.record(z.string(), z.unknown()).nullish(),
};

const confirmationSchema = z.object({
  anchor_id: z.string(),
  log_ratio: z.number(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  blocks: z.int(),
});

const [, ...failures] = measurementStatuses;

/** The result of a `measure` request. */
export const measureAnswerSchema = z.discriminatedUnion("status", [
  z.object({
    ...measurementBase,
    status: z.literal("ok"),
    runtime_us: wireRuntimeSchema,
    confirmation: confirmationSchema.nullish(),
  }),
  z.object({ ...measurementBase, status: z.enum(failures), error: z.string() }),
]);

export type MeasureAnswer = z.infer<typeof measureAnswerSchema>;

/** A device as `describe` gives it. */
export function toDeviceInfo(device: WireDevice): DeviceInfo {
  return {
    name: device.name,
    computeCapability: device.compute_capability,
    multiprocessors: device.multiprocessors,
    memoryBytes: device.memory_bytes,
    l2Bytes: device.l2_bytes,
    maxThreadsPerMultiprocessor: device.max_threads_per_multiprocessor,
    registersPerMultiprocessor: device.registers_per_multiprocessor,
    sharedMemoryPerMultiprocessor: device.shared_memory_per_multiprocessor,
    sharedMemoryPerBlock: device.shared_memory_per_block,
    bandwidth: device.bandwidth,
    flops: knownCeilings(device.flops),
    launchFloorUs: device.launch_floor_us,
    ...(device.driver ? { driver: device.driver } : {}),
    ...(device.clocks ? { clocks: knownNumbers(device.clocks) } : {}),
  };
}

function knownNumbers(record: Readonly<Record<string, number | null>>): Record<string, number> {
  return Object.fromEntries(Object.entries(record).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}

function knownCeilings(flops: Readonly<Record<string, number>>): DeviceInfo["flops"] {
  return Object.fromEntries(Object.entries(flops).filter(([name]) => precisions.some((known) => known === name)));
}

/** Compile evidence; members that the worker left out stay absent. */
export function toEvidence(wire: WireEvidence): Evidence {
  return {
    ...(wire.regs != null ? { regs: wire.regs } : {}),
    ...(wire.static_smem != null ? { staticSmem: wire.static_smem } : {}),
    ...(wire.spill_bytes != null ? { spillBytes: wire.spill_bytes } : {}),
    ...(wire.occupancy != null ? { occupancy: wire.occupancy } : {}),
    ...(wire.sass ? { sass: wire.sass } : {}),
    ...(wire.machine_code_sha256 ? { machineCodeSha256: wire.machine_code_sha256 } : {}),
    ...(wire.compile_ms != null ? { compileMs: wire.compile_ms } : {}),
  };
}

function toRuntime(wire: WireRuntime): Runtime {
  return { medianUs: wire.median, p10Us: wire.p10, p90Us: wire.p90, n: wire.n, samplesUs: wire.samples ?? [] };
}

/** One result of a `compile` request. */
export function toCompileOutcome(result: z.infer<typeof compileAnswerSchema>["results"][number]): CompileOutcome {
  return result.ok
    ? { kernelId: result.kernel_id, ok: true, evidence: toEvidence(result.evidence) }
    : { kernelId: result.kernel_id, ok: false, error: result.error };
}

/** Throttling by these reasons is none of ours: the device lowers its clocks against heat or a failing power supply. */
const forcedThrottles: readonly string[] = ["hw_slowdown", "sw_thermal", "hw_thermal", "hw_power_brake"];

/** What of a receipt speaks against its measurement; nothing where nothing does, or there is no receipt. */
function conditionsOf(receipt: MeasureAnswer["receipt"]): Pick<Measurement, "conditions"> {
  if (!receipt) return {};
  const environment = receipt["environment_after"];
  const reasons: unknown = isRecord(environment) ? environment["throttle"] : undefined;
  const throttled = Array.isArray(reasons) && forcedThrottles.some((reason) => reasons.includes(reason));
  // Controls that were skipped prove nothing.
  const unproven = "controls_ok" in receipt && receipt["controls_ok"] !== true;
  if (!throttled && !unproven) return {};
  return { conditions: { ...(unproven ? { controlsOk: false } : {}), ...(throttled ? { throttled } : {}) } };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** A measurement; `receiptSha256` is where its receipt was stored. */
export function toMeasurement(wire: MeasureAnswer, receiptSha256?: string): Measurement {
  const base = {
    kernelId: wire.kernel_id,
    device: wire.device,
    cost: { gpuSeconds: wire.cost.gpu_seconds, cpuSeconds: wire.cost.cpu_seconds },
    ...(wire.evidence ? { evidence: toEvidence(wire.evidence) } : {}),
    ...(receiptSha256 ? { receiptSha256 } : {}),
    ...conditionsOf(wire.receipt),
  };
  if (wire.status !== "ok") return { ...base, status: wire.status, error: wire.error };
  const runtime = toRuntime(wire.runtime_us);
  if (!wire.confirmation) return { ...base, status: "ok", runtime };
  const { anchor_id: anchorId, log_ratio: logRatio, low, high, blocks } = wire.confirmation;
  // Cut short before a second block: no interval, so nothing is confirmed.
  if (low === null || high === null) return { ...base, status: "ok", runtime };
  return { ...base, status: "ok", runtime, confirmation: { anchorId, logRatio, low, high, blocks } };
}
