import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseDocument } from "yaml";
import type { z } from "zod";
import {
  bindLaunch,
  evaluateExpression,
  KernelcastError,
  makeKernel,
  resolveLaunch,
  type Launch,
  type Task,
  type TaskArgument,
  type Tolerance,
  type Workload,
} from "../domain/index.ts";
import { incompleteMark } from "./init-task-reference.ts";
import { taskFileSchema, type TaskFile } from "./task-schema.ts";

/**
 * Reads a task folder (`task.yaml` with its seed and reference). Throws `KernelcastError("task", …)` with one line that
 * names the file, the place and the fault.
 */
export async function loadTask(folder: string): Promise<Task> {
  const path = join(folder, "task.yaml");
  const file = parseTaskFile(await readNamed(path, "task"), path);
  const id = basename(resolve(folder));
  if (file.task_id !== id) {
    throw new KernelcastError(
      "task",
      `${path}: task_id is "${file.task_id}" but the folder is "${id}"; make them equal`,
    );
  }
  const source = await readNamed(join(folder, file.seed.source), "seed kernel");
  const reference = await readNamed(join(folder, file.reference), "reference");
  return inFile(path, () => buildTask(file, source, reference));
}

async function readNamed(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new KernelcastError("task", `cannot read the ${what} ${path}: ${reason(cause)}`, { cause });
  }
}

function reason(cause: unknown): string {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT") return "no such file";
  if (code === "EISDIR") return "it is a folder";
  return cause instanceof Error ? cause.message : String(cause);
}

function inFile<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (KernelcastError.isInstance(cause)) throw new KernelcastError("task", `${path}: ${cause.message}`, { cause });
    throw cause;
  }
}

/** Parses the text of a `task.yaml`; `path` is for messages only. */
export function parseTaskFile(text: string, path: string): TaskFile {
  const document = parseDocument(text);
  const [fault] = document.errors;
  if (fault) throw new KernelcastError("task", `${path}: ${fault.message.split("\n")[0]}`);
  const parsed = taskFileSchema.safeParse(document.toJS());
  if (!parsed.success) throw new KernelcastError("task", `${path}: ${describeIssue(parsed.error.issues[0])}`);
  return parsed.data;
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
  for (const { sizes } of boundaryWorkloads) {
    for (const launch of launches) resolveLaunch(launch, { ...firstTunables(file), ...sizes });
  }
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
    if (name in file.sizes) throw new KernelcastError("task", `args: "${name}" is also the name of a size`);
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
    const shape = argument.shape.map((extent) => positive(`args: shape of "${argument.name}"`, extent, sizes));
    return {
      name: argument.name,
      dtype: argument.dtype,
      shape,
      role: argument.role,
      ...(argument.draw ? { draw: argument.draw } : {}),
    };
  });
  const flops = evaluateExpression(file.flops, sizes);
  return { sizes, args, flops, bytesMin: positive("bytes_min", file.bytes_min, sizes) };
}

function positive(what: string, expression: number | string, sizes: Readonly<Record<string, number>>): number {
  const value = evaluateExpression(expression, sizes);
  if (value < 1) throw new KernelcastError("task", `${what}: "${expression}" is ${value}; it must be at least 1`);
  return value;
}
