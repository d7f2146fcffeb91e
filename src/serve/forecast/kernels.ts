import { statSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { KernelcastError, type Kernel, type Launch, type Task } from "../../domain/index.ts";
import type { ReadKernelsOptions } from "../../formats/kernel-draft.ts";
import { readKernelFile, readKernelFolder } from "../../formats/read-kernel-files.ts";
import { readKernelTable } from "../../formats/read-kernel-table.ts";
import { readLaunches } from "../../formats/read-launches.ts";

/** A kernel by the name that the user knows it by. */
export interface NamedKernel {
  readonly name: string;
  readonly kernel: Kernel;
}

/** How kernels that a user names are read. */
export interface KernelReader {
  readonly task: Task;
  /** Folder that relative paths start from. */
  readonly from: string;
  readonly launches: readonly Launch[] | undefined;
  readonly compileOptions: readonly string[] | undefined;
}

export interface ReadingChoice {
  readonly cwd: string;
  /** YAML file with the launches of kernels that bring none; those of the task's seed by default. */
  readonly launches?: string | undefined;
  readonly compileOptions?: readonly string[];
}

export async function kernelReader(task: Task, choice: ReadingChoice): Promise<KernelReader> {
  const { cwd, launches, compileOptions = [] } = choice;
  return {
    task,
    from: cwd,
    launches: launches === undefined ? undefined : await readLaunches(launches, cwd),
    compileOptions: compileOptions.length > 0 ? compileOptions : undefined,
  };
}

/** The kernels of `.cu` files, folders of them, or tables, each once. Throws one line that names the file and the fault. */
export async function readCandidates(paths: readonly string[], reader: KernelReader): Promise<NamedKernel[]> {
  const found = new Map<string, NamedKernel>();
  for (const path of paths) {
    for (const named of await readPath(path, reader)) {
      if (!found.has(named.kernel.kernelId)) found.set(named.kernel.kernelId, named);
    }
  }
  return [...found.values()];
}

/** One `.cu` file. */
export async function readOne(path: string, reader: KernelReader): Promise<NamedKernel> {
  const { kernel } = await readKernelFile(resolved(path, reader), options(reader));
  return { name: basename(path), kernel };
}

async function readPath(path: string, reader: KernelReader): Promise<readonly NamedKernel[]> {
  const place = resolved(path, reader);
  const found = statSync(place, { throwIfNoEntry: false });
  if (!found) {
    throw new KernelcastError("task", `${path}: no such file or folder; give a .cu file or a folder of such`);
  }
  if (found.isDirectory()) return readKernelFolder(place, options(reader));
  if (/\.(jsonl|jsonl\.gz|parquet)$/.test(place)) return readKernelTable(place, options(reader));
  return [await readOne(path, reader)];
}

function options({ task, launches, compileOptions }: KernelReader): ReadKernelsOptions {
  return { task, ...(launches ? { launches } : {}), ...(compileOptions ? { compileOptions } : {}) };
}

/** Messages name a file as the user does, where that is possible. */
function resolved(path: string, { from }: KernelReader): string {
  return isAbsolute(path) || from === process.cwd() ? path : join(from, path);
}
