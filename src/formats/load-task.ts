import { basename, join, resolve } from "node:path";
import { parseDocument } from "yaml";
import type { z } from "zod";
import {
  bindLaunch,
  evaluateExpression,
  KernelcastError,
  makeKernel,
  resolveLaunch,
  type Expression,
  type Launch,
  type Task,
  type TaskArgument,
  type Tolerance,
  type Workload,
} from "../domain/index.ts";
import { incompleteMark } from "./init-task-reference.ts";
import { readText } from "./read-text.ts";
import { taskFileSchema, type TaskFile } from "./task-schema.ts";

/**
 * Reads a task folder (`task.yaml` with its seed and reference). Throws `KernelcastError("task", …)` with one line that
 * names the file, the place and the fault.
 */
export async function loadTask(folder: string): Promise<Task> {
  const path = join(folder, "task.yaml");
  const file = parseTaskFile(await readText(path, { what: "task" }), path);
  const id = basename(resolve(folder));
  if (file.task_id !== id) {
    throw new KernelcastError(
      "task",
      `${path}: task_id is "${file.task_id}" but the folder is "${id}"; make them equal`,
    );
  }
  const source = await readNamed(folder, file.seed.source, "seed kernel", "seed.source");
  const reference = await readNamed(folder, file.reference, "reference", "reference");
  return at(path, () => buildTask(file, source, reference));
}

function readNamed(folder: string, name: string, what: string, key: string): Promise<string> {
  return readText(join(folder, name), { what, advice: `write it, or name another file as ${key} in task.yaml` });
}

/** Parses the text of a `task.yaml`; `path` is for messages only. */
export function parseTaskFile(text: string, path: string): TaskFile {
  const parsed = taskFileSchema.safeParse(parseYaml(text, path));
  if (!parsed.success) throw new KernelcastError("task", `${path}: ${describeIssue(parsed.error.issues[0])}`);
  return parsed.data;
}

/** The value of a YAML text. Throws `KernelcastError("task", …)` that names the line of the fault. */
export function parseYaml(text: string, path: string): unknown {
  const document = parseDocument(text);
  const [fault] = document.errors;
  if (fault) throw new KernelcastError("task", `${path}: not YAML: ${firstLine(fault.message)}`);
  try {
    return document.toJS() as unknown;
  } catch (cause) {
    throw new KernelcastError(
      "task",
      `${path}: not YAML: ${firstLine(cause instanceof Error ? cause.message : String(cause))}`,
      { cause },
    );
  }
}

function firstLine(message: string): string {
  return (message.split("\n")[0] ?? "").replace(/:$/, "");
}

/** One line for the first fault that a schema found: where, and what. */
export function describeIssue(issue: z.core.$ZodIssue | undefined): string {
  if (!issue) return "does not have the expected shape";
  const place = issue.path.length > 0 ? `${issue.path.map(String).join(".")}: ` : "";
  return place + issue.message;
}

/** Builds a task from its parsed file, evaluating and cross-checking every name and expression. */
export function buildTask(file: TaskFile, source: string, reference: string): Task {
  checkArguments(file, reference);
  const launches = file.seed.launches.map(toLaunch);
  const workload = buildWorkload(file, file.sizes);
  const boundaryWorkloads = file.boundary_sizes.map((sizes) => buildWorkload(file, sizes));
  for (const { sizes } of [workload, ...boundaryWorkloads]) checkExpressions(file, launches, sizes);
  return {
    taskId: file.task_id,
    kind: "cuda",
    title: file.title,
    family: file.family,
    description: file.description,
    workload,
    boundaryWorkloads,
    tolerance: toTolerance(file.tolerance),
    precisions: file.precisions,
    reference,
    seedKernel: buildSeed(file, source, launches),
    ...(file.tunables ? { tunables: { ...file.tunables, launches, compileOptions: file.seed.compile_options } } : {}),
  };
}

/** Evaluates what names sizes and tunables, at the first value of each tunable, so that faults are found with their place. */
function checkExpressions(file: TaskFile, launches: readonly Launch[], sizes: Workload["sizes"]): void {
  const names = { ...firstTunables(file), ...sizes };
  launches.forEach((launch, index) => at(`seed.launches.${index}`, () => resolveLaunch(launch, names)));
  file.tunables?.constraints.forEach((constraint, index) =>
    at(`tunables.constraints.${index}`, () => evaluateExpression(constraint, names)),
  );
}

/** Puts the place in the file before a fault's message. */
function at<T>(place: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (KernelcastError.isInstance(cause)) throw new KernelcastError("task", `${place}: ${cause.message}`, { cause });
    throw cause;
  }
}

function buildSeed(file: TaskFile, source: string, launches: readonly Launch[]): Task["seedKernel"] {
  const tunables = firstTunables(file);
  const compileOptions = [
    ...file.seed.compile_options,
    ...Object.entries(tunables).map(([name, value]) => `-D${name}=${value}`),
  ];
  const names = { ...tunables, ...file.sizes };
  const resolved = Object.keys(tunables).length === 0 ? launches : launches.map((launch) => bindLaunch(launch, names));
  return makeKernel({ source, launches: resolved, compileOptions }, names);
}

function firstTunables(file: TaskFile): Record<string, number> {
  const entries = Object.entries(file.tunables?.parameters ?? {});
  return Object.fromEntries(entries.map(([name, values]) => [name, values[0] as number]));
}

type ParsedLaunch = TaskFile["seed"]["launches"][number];

/** From the file's spelling to the domain's. */
export function toLaunch(launch: ParsedLaunch): Launch {
  return {
    kernel: launch.kernel,
    grid: launch.grid,
    block: launch.block,
    smemBytes: launch.smem_bytes,
    args: launch.args,
  };
}

function toTolerance(tolerance: TaskFile["tolerance"]): Tolerance {
  if (tolerance.type !== "mismatch_frac") return tolerance;
  return { type: "mismatch_frac", rtol: tolerance.rtol, atol: tolerance.atol, maxFraction: tolerance.max_fraction };
}

function checkArguments(file: TaskFile, reference: string): void {
  const names = new Set<string>();
  for (const { name } of file.args) {
    if (names.has(name)) throw new KernelcastError("task", `args: "${name}" is declared twice`);
    if (Object.hasOwn(file.sizes, name))
      throw new KernelcastError("task", `args: "${name}" is also the name of a size; rename one of the two`);
    names.add(name);
  }
  if (!file.args.some(({ role }) => role === "out" || role === "inout")) {
    throw new KernelcastError("task", "args: no argument has role out or inout, so there is nothing to check");
  }
  for (const launch of file.seed.launches) {
    const unknown = launch.args.find((argument) => typeof argument === "string" && !names.has(argument));
    if (unknown !== undefined) {
      throw new KernelcastError(
        "task",
        `seed.launches: ${JSON.stringify(unknown)} is not an argument (declared: ${[...names].join(", ")})`,
      );
    }
  }
  checkDraws(file, reference);
}

function checkDraws(file: TaskFile, reference: string): void {
  if (reference.startsWith(incompleteMark)) {
    throw new KernelcastError(
      "task",
      `${file.reference} is still the template that init wrote; write its reference() and delete its first line`,
    );
  }
  if (!/^def reference\(/m.test(reference)) {
    throw new KernelcastError("task", `${file.reference} does not define reference(inputs, sizes)`);
  }
  const undrawn = file.args.find(({ role, draw }) => (role === "in" || role === "inout") && draw === undefined);
  if (undrawn && !/^def make_inputs\(/m.test(reference)) {
    throw new KernelcastError(
      "task",
      `args: input "${undrawn.name}" has no draw and ${file.reference} defines no make_inputs(sizes, rng)`,
    );
  }
}

function buildWorkload(file: TaskFile, sizes: Readonly<Record<string, number>>): Workload {
  const args = file.args.map((argument): TaskArgument => {
    const shape = argument.shape.map((extent) => atLeast(1, `args: shape of "${argument.name}"`, extent, sizes));
    return {
      name: argument.name,
      dtype: argument.dtype,
      shape,
      role: argument.role,
      ...(argument.draw ? { draw: argument.draw } : {}),
    };
  });
  const flops = atLeast(0, "flops", file.flops, sizes);
  return { sizes, args, flops, bytesMin: atLeast(1, "bytes_min", file.bytes_min, sizes) };
}

function atLeast(least: number, place: string, expression: Expression, sizes: Workload["sizes"]): number {
  const value = at(place, () => evaluateExpression(expression, sizes));
  if (value < least) {
    const what = typeof expression === "number" ? value : `"${expression}" is ${value}, and`;
    throw new KernelcastError("task", `${place}: ${what} must be at least ${least}`);
  }
  return value;
}
