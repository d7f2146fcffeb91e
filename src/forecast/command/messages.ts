/** The messages of docs/reference/forecaster-protocol.md: what is asked of a program, and what counts as an answer. */
import { z } from "zod";
import {
  fromQuantiles,
  KernelcastError,
  smallestSigma,
  toWireDevice,
  toWireLaunches,
  toWireTolerance,
  toWireWorkload,
  type Evidence,
  type Forecast,
  type ForecastRequest,
  type Kernel,
  type Task,
} from "../../domain/index.ts";
import { printable } from "../../process/last-words.ts";

/** The protocol version that these messages belong to. */
export const forecasterProtocol = 1;

const text = z.string().transform(printable).pipe(z.string().min(1).max(200));

export const helloSchema = z.object({
  protocol: z.literal(forecasterProtocol, { error: `must be ${forecasterProtocol}, the version that is spoken here` }),
  name: text.optional(),
  /** Most candidates of one request. */
  batch: z.int().min(1).max(10_000).optional(),
});

const median = z.number().min(-20).max(40);
const width = z.number().positive().max(30);
const microseconds = z.number().min(1e-6).max(1e12);
const share = z.number().min(0).max(1);

const forecastSchema = z
  .object({
    kernel_id: z.string(),
    p_ok: share,
    runtime_us: z.object({ p10: microseconds, p50: microseconds, p90: microseconds }).optional(),
    m: median.optional(),
    sigma_low: width.optional(),
    sigma_high: width.optional(),
  })
  .transform((row, context): Forecast => {
    const { kernel_id: kernelId, p_ok: pOk, runtime_us: quantiles, m, sigma_low: low, sigma_high: high } = row;
    if (m !== undefined && low !== undefined && high !== undefined) {
      return { kernelId, pOk, m, sigmaLow: Math.max(smallestSigma, low), sigmaHigh: Math.max(smallestSigma, high) };
    }
    if (quantiles && quantiles.p10 <= quantiles.p50 && quantiles.p50 <= quantiles.p90) {
      return { kernelId, pOk, ...fromQuantiles(quantiles) };
    }
    const message = quantiles
      ? `runtime_us must rise from p10 to p90, got ${JSON.stringify(quantiles)}`
      : "needs runtime_us {p10, p50, p90}, or m, sigma_low and sigma_high";
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

const amount = z.number().nonnegative();

export const answerSchema = z.object({
  forecasts: z.array(forecastSchema),
  cost: z.object({ cpu_seconds: amount.optional(), tokens: amount.optional(), usd: amount.optional() }).optional(),
});

export type Answer = z.output<typeof answerSchema>;

/** The program's own word that it cannot answer. */
export const refusalSchema = z.object({ error: z.string() });

/** One line for the first fault of a message: where, and what. */
export function describeFault(issue: z.core.$ZodIssue | undefined): string {
  const place = issue && issue.path.length > 0 ? `${issue.path.map(String).join(".")}: ` : "";
  return `${place}${issue?.message ?? "not of the expected form"}`;
}

/** What all requests about one task have in common. */
export function wireContext({ task, device, anchors }: ForecastRequest): object {
  return {
    task: wireTask(task),
    device: toWireDevice(device),
    anchors: anchors.flatMap(({ kernel, measurement }) => {
      const wire = wireKernel(kernel, task);
      return wire ? [{ ...wire, runtime_us: measurement.runtime.medianUs }] : [];
    }),
  };
}

function wireTask(task: Task): object {
  return {
    task_id: task.taskId,
    title: task.title,
    description: task.description,
    ...toWireWorkload(task.workload),
    tolerance: toWireTolerance(task.tolerance),
    precisions: task.precisions,
    reference: task.reference,
  };
}

/** A kernel with its launches as numbers, and nothing that tells where it came from; undefined where they do not evaluate. */
export function wireKernel(kernel: Kernel, task: Task): object | undefined {
  try {
    return {
      kernel_id: kernel.kernelId,
      source: kernel.source,
      launches: toWireLaunches(kernel, task.workload),
      compile_options: kernel.compileOptions,
    };
  } catch (error) {
    if (KernelcastError.isInstance(error)) return undefined;
    throw error;
  }
}

export function wireEvidence(evidence: Evidence): object {
  return {
    regs: evidence.regs,
    static_smem: evidence.staticSmem,
    spill_bytes: evidence.spillBytes,
    occupancy: evidence.occupancy,
    sass: evidence.sass,
    compile_ms: evidence.compileMs,
  };
}
