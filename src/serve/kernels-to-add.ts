import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  KernelcastError,
  type Launch,
  type RecordedKernel,
  type Recording,
  type Split,
  type Task,
} from "../domain/index.ts";
import { loadTask } from "../formats/load-task.ts";
import { recordingContents } from "../formats/make-recording.ts";
import { readKernels } from "../formats/read-kernels.ts";
import type { TaskDraft } from "../formats/recording-rows.ts";
import { openTask } from "./open-task.ts";

/** Which kernels, of which task. */
export interface KernelsToAddRequest {
  /** The task of the kernels: a folder, or an id. */
  readonly task?: string | undefined;
  /** A folder of CUDA files, or a table of kernels; without it, those of the recording. */
  readonly kernels?: string | undefined;
  readonly launches?: readonly Launch[] | undefined;
  readonly compileOptions?: readonly string[] | undefined;
  readonly split?: Split | undefined;
}

/** Kernels to measure or to look for in worker output. */
export interface KernelsToAdd {
  readonly task: Task | undefined;
  readonly tasks: readonly TaskDraft[];
  /** Kernels of the request, then those of the recording that may be their parents. */
  readonly kernels: readonly RecordedKernel[];
  /** How many of them, from the first, are of the request. */
  readonly asked: number;
}

/** A folder means the task in it, whatever the recording knows by its name. */
function taskNamed(name: string, base: Recording | undefined): Promise<Task> {
  return existsSync(join(name, "task.yaml")) ? loadTask(name) : openTask(name, base);
}

/** Finds the task and reads the kernels. Rejects with `KernelcastError`. */
export async function kernelsToAdd(request: KernelsToAddRequest, base: Recording | undefined): Promise<KernelsToAdd> {
  const { kernels } = request;
  const task = request.task === undefined ? undefined : await taskNamed(request.task, base);
  if (kernels === undefined) return recordedKernels(task, base);
  if (task) return readKernelsOf({ ...request, kernels }, task, base);
  throw new KernelcastError("usage", "--kernels needs --task: the folder or id of the task that they compute");
}

/** The kernels that the recording has, of one task or of all. */
function recordedKernels(task: Task | undefined, base: Recording | undefined): KernelsToAdd {
  if (!base) throw new KernelcastError("usage", "a new recording needs --task and --kernels");
  const { tasks, kernels } = recordingContents(base);
  if (!task) return { tasks, kernels, asked: 0, task };
  const { taskId } = task;
  return { tasks: tasks.filter((one) => one.taskId === taskId), kernels: base.kernels(taskId), asked: 0, task };
}

async function readKernelsOf(
  { kernels: path, launches, compileOptions, split: wanted }: KernelsToAddRequest & { readonly kernels: string },
  task: Task,
  base: Recording | undefined,
): Promise<KernelsToAdd> {
  const { seedKernel: _seedKernel, ...draft } = task;
  const inBase = base?.kernels(task.taskId) ?? [];
  const split = wanted ?? base?.tasks.get(task.taskId)?.split;
  const read = await readKernels(path, {
    task,
    known: new Set(inBase.map(({ kernel }) => kernel.kernelId)),
    ...(launches ? { launches } : {}),
    ...(compileOptions ? { compileOptions } : {}),
  });
  const ids = new Set(read.map(({ kernel }) => kernel.kernelId));
  const others = inBase.filter(({ kernel }) => !ids.has(kernel.kernelId));
  return { tasks: [split ? { ...draft, split } : draft], kernels: [...read, ...others], asked: read.length, task };
}
