import { z } from "zod";
import { dtypes, measurementStatuses, precisions, type Dtype } from "../domain/index.ts";
import type { TableColumn } from "./parquet-table.ts";

/** Names that other projects give to element types. */
const dtypeAliases: Readonly<Record<string, Dtype>> = {
  float64: "f64",
  double: "f64",
  float32: "f32",
  float: "f32",
  fp32: "f32",
  float16: "f16",
  half: "f16",
  fp16: "f16",
  bfloat16: "bf16",
  int64: "i64",
  int32: "i32",
  int: "i32",
  int16: "i16",
  int8: "i8",
  uint64: "u64",
  uint32: "u32",
  uint16: "u16",
  uint8: "u8",
  bool: "u8",
};

const dtype = z.preprocess(
  (value) => (typeof value === "string" ? (dtypeAliases[value.toLowerCase()] ?? value) : value),
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

const expression = z.union([z.number(), z.string().min(1)]);
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

const tolerance = z.discriminatedUnion("type", [
  z.object({ type: z.literal("allclose"), rtol: z.number().default(0), atol: z.number().default(0) }),
  z.object({ type: z.literal("exact") }),
  z.object({
    type: z.literal("mismatch_frac"),
    rtol: z.number().default(0),
    atol: z.number().default(0),
    max_fraction: z.number(),
  }),
]);

const dimensions = z.preprocess(
  (value) => {
    const parsed = typeof value === "string" ? parseJson(value) : value;
    if (typeof parsed === "number") return [parsed, 1, 1];
    return Array.isArray(parsed) ? [...(parsed as unknown[]), 1, 1].slice(0, Math.max(3, parsed.length)) : parsed;
  },
  z.tuple([expression, expression, expression]),
);

const launchArgument = z.union([z.string(), z.number(), z.record(z.string(), expression)]);

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
  kind: z.literal("cuda").nullish(),
  title: z.string().nullish(),
  family: z.string().nullish(),
  description: z.string().nullish(),
  sizes: structured(sizes).nullish(),
  args: structured(z.array(argument).min(1)),
  boundary_workloads: structured(z.array(workload)).nullish(),
  flops: expression,
  bytes_min: expression,
  tolerance: structured(tolerance),
  precisions: structured(z.array(z.enum(precisions)).min(1)).nullish(),
  reference: z.string(),
  tunables: structured(tunables).nullish(),
  split: z.enum(["train", "validation", "test"]).nullish(),
});

export type TaskRow = z.infer<typeof taskRowSchema>;

/** A row of `kernels`. */
export const kernelRowSchema = z.object({
  kernel_id: z.string().min(1),
  task_id: z.string().min(1),
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

const runtime = z.union([
  z.number().positive(),
  z.object({
    median: z.number().positive(),
    p10: z.number().positive().nullish(),
    p90: z.number().positive().nullish(),
    n: z.int().nonnegative().nullish(),
    samples: structured(z.array(z.number())).nullish(),
  }),
]);

export type RuntimeRow = z.infer<typeof runtime>;

/** A row of `measurements`; `task_id` is ours, so that a reader finds a task's rows without reading all. */
export const measurementRowSchema = z.object({
  kernel_id: z.string().min(1),
  task_id: z.string().nullish(),
  device: z.string().min(1),
  status: z.enum(measurementStatuses),
  error: z.string().nullish(),
  runtime_us: structured(runtime).nullish(),
  runtime_us_pass2: structured(runtime).nullish(),
  regs: count.nullish(),
  static_smem: count.nullish(),
  spill_bytes: count.nullish(),
  occupancy: count.nullish(),
  sass: structured(z.record(z.string(), z.number())).nullish(),
  machine_code_sha256: z.string().nullish(),
  compile_ms: count.nullish(),
  gpu_ms: count.nullish(),
});

export type MeasurementRow = z.infer<typeof measurementRowSchema>;

/** Columns that a foreign recording must have, by table. */
export const requiredColumns = {
  tasks: ["task_id", "args", "flops", "bytes_min", "tolerance", "reference"],
  kernels: ["kernel_id", "task_id", "source", "launches"],
  measurements: ["kernel_id", "device", "status"],
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
    { name: "regs", type: "INT32" },
    { name: "static_smem", type: "INT32" },
    { name: "spill_bytes", type: "INT32" },
    { name: "occupancy", type: "DOUBLE" },
    { name: "sass", type: "JSON" },
    { name: "machine_code_sha256", type: "STRING" },
    { name: "compile_ms", type: "DOUBLE" },
    { name: "gpu_ms", type: "DOUBLE" },
  ],
} as const satisfies Record<string, readonly TableColumn[]>;
