import { z } from "zod";
import { dtypes, precisions } from "../domain/index.ts";

const expression = z.union([z.number(), z.string().min(1)]);
const dimensions = z.tuple([expression, expression, expression]);
const name = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be an identifier");
const sizes = z.record(name, z.int().positive());

const draw = z.union([
  z.strictObject({ normal: z.strictObject({ mean: z.number(), std: z.number().positive() }) }),
  z.strictObject({ uniform: z.strictObject({ low: z.number(), high: z.number() }) }),
  z.strictObject({ integers: z.strictObject({ low: z.int(), high: z.int() }) }),
  z.strictObject({ constant: z.number() }),
]);

const argument = z.strictObject({
  name,
  dtype: z.enum(dtypes),
  shape: z.array(expression).min(1),
  role: z.enum(["in", "out", "inout", "scratch"]),
  draw: draw.optional(),
});

const scalar = z.partialRecord(z.enum(dtypes), expression).refine((value) => Object.keys(value).length === 1, {
  message: "a scalar argument has exactly one type, for example { i32: n }",
});

export const launchSchema = z.strictObject({
  kernel: name,
  grid: dimensions,
  block: dimensions,
  smem_bytes: expression.default(0),
  args: z.array(z.union([name, scalar])),
});

const tolerance = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("allclose"), rtol: z.number().nonnegative(), atol: z.number().nonnegative() }),
  z.strictObject({ type: z.literal("exact") }),
  z.strictObject({
    type: z.literal("mismatch_frac"),
    rtol: z.number().nonnegative(),
    atol: z.number().nonnegative(),
    max_fraction: z.number().min(0).max(1),
  }),
]);

const tunables = z.strictObject({
  parameters: z.record(name, z.array(z.int()).min(1)),
  constraints: z.array(z.string().min(1)).default([]),
});

/** The shape of `task.yaml`; unknown keys are errors. Published as JSON Schema in `docs/reference/task.schema.json`. */
export const taskFileSchema = z.strictObject({
  task_id: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be lower-case words and digits joined by '-'"),
  kind: z.literal("cuda").default("cuda"),
  title: z.string().min(1),
  family: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be lower-case words joined by '-'"),
  description: z.string().min(1),
  sizes,
  boundary_sizes: z.array(sizes).default([]),
  args: z.array(argument).min(1),
  flops: expression,
  bytes_min: expression,
  precisions: z.array(z.enum(precisions)).min(1),
  tolerance,
  reference: z.string().min(1),
  seed: z.strictObject({
    source: z.string().min(1),
    compile_options: z.array(z.string()).default([]),
    launches: z.array(launchSchema).min(1),
  }),
  tunables: tunables.optional(),
});

export type TaskFile = z.infer<typeof taskFileSchema>;
