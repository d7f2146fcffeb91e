import { z } from "zod";
import { dtypes, measurementStatuses, precisions } from "../domain/index.ts";
import { dtypeNamed } from "./dtype-names.ts";
import type { TableColumn } from "./parquet-table.ts";

const dtype = z.preprocess(
  (value) => (typeof value === "string" ? (dtypeNamed(value) ?? value) : value),
  z.enum(dtypes),
);

/** A structured column may hold its value as JSON text. */
function structured<T extends z.ZodType>(schema: T): z.ZodPreprocess<T> {
  return z.preprocess((value) => (typeof value === "string" ? parseJson(value) : value), schema);
}

function parseJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const expression = z.union([z.number(), z.string().min(1)], { error: "must be a number, or arithmetic over sizes" });
const identifier = z.union([z.string(), z.number().transform(String)]);
const sizes = z.record(z.string(), z.number());
const draw = z.union([
  z.object({ normal: z.object({ mean: z.number(), std: z.number() }) }),
  z.object({ uniform: z.object({ low: z.number(), high: z.number() }) }),
  z.object({ integers: z.object({ low: z.number(), high: z.number() }) }),
  z.object({ constant: z.number() }),
]);

const argument = z.object({
  name: z.string().min(1),
  dtype,
  shape: structured(z.array(expression)),
  role: z.enum(["in", "out", "inout", "scratch"]),
  draw: draw.nullish().catch(undefined),
});

const workload = z.object({
  sizes,
  args: z.array(argument),
  flops: expression,
  bytes_min: expression,
});

export type WorkloadRow = z.infer<typeof workload>;

/** Other names of `max_fraction`: the contract leaves it open what the share is called. */
const fractionNames = [
  "max_frac",
  "frac",
  "fraction",
  "max_mismatch_fraction",
  "max_mismatch_frac",
  "mismatch_frac",
  "max_mismatch",
];

const bound = z.number().nonnegative();

/** A tolerance, or its bare type as text. */
const tolerance = z.preprocess(
  (value) => {
    if (typeof value === "string") return { type: value };
    if (typeof value !== "object" || value === null || "max_fraction" in value) return value;
    const members = value as Readonly<Record<string, unknown>>;
    const name = fractionNames.find((known) => typeof members[known] === "number");
    return name === undefined ? value : { ...members, max_fraction: members[name] };
  },
  z.discriminatedUnion("type", [
    z.object({ type: z.literal("allclose"), rtol: bound.nullish(), atol: bound.nullish() }),
    z.object({ type: z.literal("exact") }),
    z.object({
      type: z.literal("mismatch_frac"),
      rtol: bound.nullish(),
      atol: bound.nullish(),
      max_fraction: z.number(),
    }),
  ]),
);

/** Three dimensions; also fewer, one number, JSON text or `{x, y, z}`. */
const dimensions = z.preprocess(
  (value) => {
    const parsed = typeof value === "string" ? parseJson(value) : value;
    if (typeof parsed === "number") return [parsed, 1, 1];
    if (Array.isArray(parsed)) return [...(parsed as unknown[]), 1, 1].slice(0, Math.max(3, parsed.length));
    if (typeof parsed !== "object" || parsed === null || !("x" in parsed)) return parsed;
    const { x, y, z: depth } = parsed as { readonly x: unknown; readonly y?: unknown; readonly z?: unknown };
    return [x, y ?? 1, depth ?? 1];
  },
  z.tuple([expression, expression, expression], { error: "must be three numbers" }),
);

const truth = z.boolean().transform(Number);

const launchArgument = z.union(
  [z.string(), z.number(), truth, z.record(z.string(), z.union([expression, truth, z.null()]))],
  {
    error: "must be the name of a task argument, {dtype: value} or a number",
  },
);

const launch = z.object({
  kernel: z.string().min(1),
  grid: dimensions,
  block: dimensions,
  smem_bytes: expression.nullish(),
  args: structured(z.array(launchArgument)).nullish(),
});

export type LaunchRow = z.infer<typeof launch>;
export type LaunchArgumentRow = z.infer<typeof launchArgument>;

const tunables = z.object({
  parameters: z.record(z.string(), z.array(z.number())),
  constraints: z.array(z.string()).default([]),
  launches: z.array(launch).default([]),
  compile_options: z.array(z.string()).default([]),
});

/** A row of `tasks`. */
export const taskRowSchema = z.object({
  task_id: z.string().min(1),
  workload_id: identifier.nullish(),
  kind: z.literal("cuda", { error: 'must be "cuda", the one kind of task that is known' }).nullish(),
  title: z.string().nullish(),
  family: z.string().nullish(),
  description: z.string().nullish(),
  sizes: structured(sizes).nullish(),
  args: structured(z.array(argument)),
  boundary_workloads: structured(z.array(workload)).nullish(),
  flops: expression,
  bytes_min: expression,
  tolerance: structured(tolerance),
  precisions: structured(z.array(z.enum(precisions)).min(1)).nullish(),
  reference: z.string(),
  make_inputs: z.string().nullish(),
  tunables: structured(tunables).nullish(),
  split: z.enum(["train", "validation", "test"]).nullish(),
});

export type TaskRow = z.infer<typeof taskRowSchema>;

/** A row of `kernels`. */
export const kernelRowSchema = z.object({
  kernel_id: z.string().min(1),
  task_id: z.string().min(1),
  workload_id: identifier.nullish(),
  parent_id: z.string().nullish(),
  source: z.string().min(1),
  launches: structured(z.array(launch).min(1)),
  compile_options: structured(z.array(z.string())).nullish(),
  idea: z.string().nullish(),
  origin: z.string().nullish(),
  template_id: z.string().nullish(),
});

export type KernelRow = z.infer<typeof kernelRowSchema>;

const count = z.number().nonnegative();

const microseconds = z.number().positive();

const runtime = z.union(
  [
    microseconds,
    z.object({
      median: microseconds,
      p10: microseconds.nullish(),
      p90: microseconds.nullish(),
      n: z.int().nonnegative().nullish(),
      samples: structured(z.array(z.number())).nullish(),
    }),
  ],
  { error: "must be a number above 0 (µs), or {median, p10?, p90?, n?, samples?} of such" },
);

/** Numbers may be text; a value without a median, as a table of structs has it for failed kernels, is none. */
const runtimeCell = z.preprocess((value) => {
  const parsed = typeof value === "string" ? parseNumberOrJson(value) : value;
  const empty = typeof parsed === "object" && parsed !== null && Object.values(parsed).every(isNothing);
  return empty ? undefined : parsed;
}, runtime.nullish());

function parseNumberOrJson(text: string): unknown {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return Number.isNaN(value) ? parseJson(text) : value;
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}

export type RuntimeRow = z.infer<typeof runtime>;

/** The row of a kernel that failed says nothing of its runtime, whatever stands there. */
function withoutRuntimeOfFailures(row: unknown): unknown {
  if (typeof row !== "object" || row === null || !("status" in row) || row.status === "ok") return row;
  return { ...row, runtime_us: undefined, runtime_us_pass2: undefined, runtime_us_pass3: undefined };
}

const measurementRow = z.object({
  kernel_id: z.string().min(1),
  task_id: z.string().nullish(),
  workload_id: identifier.nullish(),
  device: z.string().min(1),
  status: z.enum(measurementStatuses),
  error: z.string().nullish(),
  runtime_us: runtimeCell,
  runtime_us_pass2: runtimeCell,
  runtime_us_pass3: runtimeCell,
  regs: count.nullish(),
  static_smem: count.nullish(),
  spill_bytes: count.nullish(),
  occupancy: count.nullish(),
  sass: structured(z.record(z.string(), z.number())).nullish(),
  machine_code_sha256: z.string().nullish(),
  compile_ms: count.nullish(),
  gpu_ms: count.nullish(),
});

/** A row of `measurements`; `task_id` is ours, so that a reader finds a task's rows without reading all. */
export const measurementRowSchema = z.preprocess(withoutRuntimeOfFailures, measurementRow);

export type MeasurementRow = z.infer<typeof measurementRowSchema>;

const quantiles = z
  .object({ p10: microseconds, p50: microseconds, p90: microseconds })
  .refine(({ p10, p50, p90 }) => p10 <= p50 && p50 <= p90, { error: "must rise from p10 to p90" });

/** A row of `forecasts`; `device` is ours, for recordings of several devices. */
export const forecastRowSchema = z.object({
  forecaster: z.string().min(1),
  kernel_id: z.string().min(1),
  anchor_ids: structured(z.array(z.string())).nullish(),
  device: z.string().nullish(),
  p_ok: z.number().min(0).max(1),
  runtime_us: structured(quantiles),
  tokens: count.nullish(),
  usd: count.nullish(),
  prompt_sha256: z.string().nullish(),
});

export type ForecastRow = z.infer<typeof forecastRowSchema>;

/** Columns that mean something to us, by table; the rest of a foreign recording need not be read. */
export const knownColumns = {
  kernels: Object.keys(kernelRowSchema.shape),
  measurements: Object.keys(measurementRow.shape),
  forecasts: Object.keys(forecastRowSchema.shape),
} as const;

/** Columns that a foreign recording must have, by table. */
export const requiredColumns = {
  tasks: ["task_id", "args", "flops", "bytes_min", "tolerance", "reference"],
  kernels: ["kernel_id", "task_id", "source", "launches"],
  measurements: ["kernel_id", "device", "status"],
  forecasts: ["forecaster", "kernel_id", "p_ok", "runtime_us"],
} as const;

/** Columns that we write, in order. */
export const writtenColumns = {
  tasks: [
    { name: "task_id", type: "STRING" },
    { name: "kind", type: "STRING" },
    { name: "title", type: "STRING" },
    { name: "family", type: "STRING" },
    { name: "split", type: "STRING" },
    { name: "description", type: "STRING" },
    { name: "sizes", type: "JSON" },
    { name: "args", type: "JSON" },
    { name: "boundary_workloads", type: "JSON" },
    { name: "flops", type: "DOUBLE" },
    { name: "bytes_min", type: "DOUBLE" },
    { name: "tolerance", type: "JSON" },
    { name: "precisions", type: "JSON" },
    { name: "reference", type: "STRING" },
    { name: "tunables", type: "JSON" },
  ],
  kernels: [
    { name: "kernel_id", type: "STRING" },
    { name: "task_id", type: "STRING" },
    { name: "parent_id", type: "STRING" },
    { name: "source", type: "STRING" },
    { name: "launches", type: "JSON" },
    { name: "compile_options", type: "JSON" },
    { name: "idea", type: "STRING" },
    { name: "origin", type: "STRING" },
    { name: "template_id", type: "STRING" },
  ],
  measurements: [
    { name: "kernel_id", type: "STRING" },
    { name: "task_id", type: "STRING" },
    { name: "device", type: "STRING" },
    { name: "status", type: "STRING" },
    { name: "error", type: "STRING" },
    { name: "runtime_us", type: "JSON" },
    { name: "runtime_us_pass2", type: "JSON" },
    { name: "runtime_us_pass3", type: "JSON" },
    { name: "regs", type: "INT32" },
    { name: "static_smem", type: "INT32" },
    { name: "spill_bytes", type: "INT32" },
    { name: "occupancy", type: "DOUBLE" },
    { name: "sass", type: "JSON" },
    { name: "machine_code_sha256", type: "STRING" },
    { name: "compile_ms", type: "DOUBLE" },
    { name: "gpu_ms", type: "DOUBLE" },
  ],
  forecasts: [
    { name: "forecaster", type: "STRING" },
    { name: "kernel_id", type: "STRING" },
    { name: "anchor_ids", type: "JSON" },
    { name: "device", type: "STRING" },
    { name: "p_ok", type: "DOUBLE" },
    { name: "runtime_us", type: "JSON" },
    { name: "tokens", type: "DOUBLE" },
    { name: "usd", type: "DOUBLE" },
    { name: "prompt_sha256", type: "STRING" },
  ],
} as const satisfies Record<string, readonly TableColumn[]>;
