/** The worker protocol's messages (docs/reference/worker-protocol.md): from domain values to its wire form. Pure. */
import {
  isSpecialised,
  sha256Hex,
  toWireLaunches,
  toWireTolerance,
  toWireWorkload,
  type Kernel,
  type Task,
  type WireLaunch,
  type WireWorkload,
} from "../domain/index.ts";

export * from "./worker-answers.ts";

/** The protocol version that these messages belong to. */
export const workerProtocol = 1;

/** Methods that a worker answers. */
export type WorkerMethod = "hello" | "describe" | "task" | "compile" | "measure" | "cancel" | "shutdown";

/** One request line. */
export interface WorkerRequest {
  readonly id: string;
  readonly method: WorkerMethod;
  readonly params: unknown;
}

/** A kernel with numbers only. `boundary_launches` is null when its launches hold for the timed workload only. */
export interface WorkerKernel {
  readonly kernel_id: string;
  readonly source: string;
  readonly compile_options: readonly string[];
  readonly launches: readonly WireLaunch[];
  readonly boundary_launches: readonly (readonly WireLaunch[])[] | null;
}

/** What a worker needs of a task: its computation and how to check it. */
export interface WorkerTask {
  readonly task_id: string;
  readonly workload: WireWorkload;
  readonly boundary_workloads: readonly WireWorkload[];
  readonly tolerance: Readonly<Record<string, unknown>>;
  readonly precisions: readonly string[];
  readonly reference: string;
}

/** A task as the `task` request carries it. */
export function toWorkerTask(task: Task): WorkerTask {
  return {
    task_id: task.taskId,
    workload: toWireWorkload(task.workload),
    boundary_workloads: task.boundaryWorkloads.map(toWireWorkload),
    tolerance: toWireTolerance(task.tolerance),
    precisions: task.precisions,
    reference: task.reference,
  };
}

/**
 * The key that a worker answers a `task` request with, for request files that are written before any answer is seen: the
 * SHA-256 of the task's canonical JSON with numbers as the worker's Python writes them.
 */
export function workerTaskKey(task: WorkerTask): string {
  return sha256Hex(canonicalPythonJson(task));
}

function canonicalPythonJson(value: unknown): string {
  if (typeof value === "number") return pythonNumber(value);
  if (Array.isArray(value)) return `[${value.map(canonicalPythonJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalPythonJson(member)}`).join(",")}}`;
}

/** As JavaScript writes it, but that Python turns to exponents below 1e-4 and gives them two digits. */
function pythonNumber(value: number): string {
  if (value === 0 || Math.abs(value) >= 1e-4) return JSON.stringify(value);
  return value.toExponential().replace(/e-(\d)$/, "e-0$1");
}

/**
 * A kernel of a task with every expression evaluated: names are the workload's sizes and the kernel's integer
 * `-DNAME=value` compile options. Throws `KernelcastError("task", …)` for an expression that does not evaluate.
 */
export function toWorkerKernel(kernel: Kernel, task: Task): WorkerKernel {
  const boundaries = task.boundaryWorkloads;
  return {
    kernel_id: kernel.kernelId,
    source: kernel.source,
    compile_options: kernel.compileOptions,
    launches: toWireLaunches(kernel, task.workload),
    boundary_launches:
      boundaries.length === 0 || isSpecialised(kernel.launches)
        ? null
        : boundaries.map((workload) => toWireLaunches(kernel, workload)),
  };
}
