import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileFault, KernelcastError, mainDevice, passTolerance, type Recording } from "../domain/index.ts";
import { holdsRecording } from "../formats/add-to-recording.ts";
import { loadRecording } from "../formats/load-recording.ts";
import { recordingFolder } from "../formats/recording-folder.ts";
import { unconfirmedKernels } from "../formats/select-kernels.ts";
import { workerRequests, type TaskKernels } from "../formats/worker-requests.ts";
import { makeFolder } from "../store/make-folder.ts";
import type { AddKernelsRequest } from "./add-kernels.ts";
import { kernelsToAdd, type KernelsToAdd } from "./kernels-to-add.ts";

/** A file of requests for a worker elsewhere. */
export interface RequestFile {
  readonly path: string;
  readonly pass: number;
  readonly kernels: number;
}

/**
 * Writes the requests that `addKernels` would have a worker answer, a file for each pass. Without kernels to read: a third
 * pass of those of the recording whose passes on its main device disagree.
 */
export async function writeRequests(request: AddKernelsRequest, folder: string): Promise<RequestFile[]> {
  const { recording: name, passes, seed } = request;
  const base = (await holdsRecording(recordingFolder(name))) ? await loadRecording(name) : undefined;
  const found = await kernelsToAdd(request, base);
  const groups = request.kernels === undefined && base ? unconfirmedGroups(found, base) : [askedGroup(found)];
  const count = groups.reduce((sum, { kernels }) => sum + kernels.length, 0);
  if (count === 0) throw new KernelcastError("recording", `${name}: no kernel in it needs a third pass`);
  return (request.kernels === undefined ? [3] : [1, 2].slice(0, passes)).map((pass) => {
    const path = join(folder, `pass${pass}.jsonl`);
    writeLines(folder, path, [...workerRequests(groups, { pass, seed })]);
    return { path, pass, kernels: count };
  });
}

function askedGroup({ task, kernels, asked }: KernelsToAdd): TaskKernels {
  if (!task) throw new KernelcastError("internal", "kernels were read without a task");
  return { task, kernels: kernels.slice(0, asked).map(({ kernel }) => kernel) };
}

function unconfirmedGroups({ tasks }: KernelsToAdd, base: Recording): TaskKernels[] {
  const device = mainDevice(base) ?? "";
  return tasks.flatMap(({ taskId }): TaskKernels[] => {
    const task = base.tasks.get(taskId)?.task;
    const ids = new Set(unconfirmedKernels([...base.measurements(taskId, device).values()], passTolerance));
    const kernels = base.kernels(taskId).flatMap(({ kernel }) => (ids.has(kernel.kernelId) ? [kernel] : []));
    return task && kernels.length > 0 ? [{ task, kernels }] : [];
  });
}

function writeLines(folder: string, path: string, lines: readonly unknown[]): void {
  try {
    makeFolder(folder);
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  } catch (cause) {
    throw new KernelcastError("recording", `${path}: cannot be written: ${fileFault(cause)}`, { cause });
  }
}
