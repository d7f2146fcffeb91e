import { z } from "zod";
import { dtypes, precisions } from "../domain/index.ts";

/** An object whose unknown keys are errors that name the known ones. */
function strict<S extends z.ZodRawShape>(shape: S) {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys" ? `unknown key "${issue.keys[0]}" (known: ${known})` : undefined,
  });
}

const expression = z.union([z.number(), z.string().min(1)], {
  error: 'must be a number or an expression over the sizes, as "2*n"',
});
const dimensions = z.tuple([expression, expression, expression], {
  error: "must be a list of three numbers or expressions",
});
const name = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be an identifier");
const sizes = z.record(name, z.int().positive());

const draw = z.union(
  [
    strict({ normal: strict({ mean: z.number(), std: z.number().positive() }) }),
    strict({ uniform: strict({ low: z.number(), high: z.number() }) }),
    strict({ integers: strict({ low: z.int(), high: z.int() }) }),
    strict({ constant: z.number() }),
  ],
  {
    error: "must be { normal: { mean, std } }, { uniform: { low, high } }, { integers: { low, high } } or { constant }",
  },
);

const argument = strict({
  name,
  dtype: z.enum(dtypes),
  shape: z.array(expression).min(1),
  role: z.enum(["in", "out", "inout", "scratch"]),
  draw: draw.optional(),
});

const scalar = z.partialRecord(z.enum(dtypes), expression).refine((value) => Object.keys(value).length === 1, {
  message: "a scalar argument has exactly one type, for example { i32: n }",
});

export const launchSchema = strict({
  kernel: name,
  grid: dimensions,
  block: dimensions,
  smem_bytes: expression.default(0),
  args: z.array(z.union([name, scalar])),
});

const tolerance = z.discriminatedUnion("type", [
  strict({ type: z.literal("allclose"), rtol: z.number().nonnegative(), atol: z.number().nonnegative() }),
  strict({ type: z.literal("exact") }),
  strict({
    type: z.literal("mismatch_frac"),
    rtol: z.number().nonnegative(),
    atol: z.number().nonnegative(),
    max_fraction: z.number().min(0).max(1),
  }),
]);

const tunables = strict({
  parameters: z.record(name, z.array(z.int()).min(1)),
  constraints: z.array(z.string().min(1)).default([]),
});

/** The shape of `task.yaml`; unknown keys are errors. Published as JSON Schema in `docs/reference/task.schema.json`. */
export const taskFileSchema = strict({
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
  seed: strict({
    source: z.string().min(1),
    compile_options: z.array(z.string()).default([]),
    launches: z.array(launchSchema).min(1),
  }),
  tunables: tunables.optional(),
});

export type TaskFile = z.infer<typeof taskFileSchema>;
