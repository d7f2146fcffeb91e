import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import {
  fileFault,
  KernelcastError,
  makeKernel,
  suggestion,
  type Kernel,
  type Launch,
  type RecordedKernel,
  type Task,
} from "../domain/index.ts";
import { integerDefines } from "../measure/worker-messages.ts";
import { describeIssue } from "./load-task.ts";
import { readLaunches } from "./read-launches.ts";
import { readText } from "./read-text.ts";
import { toRecordedKernel } from "./recording-rows.ts";
import { kernelRowSchema } from "./recording-schema.ts";
import { readTable, type LocatedRow } from "./table-files.ts";

export interface ReadKernelsOptions {
  readonly task: Task;
  /** Of kernels that bring none of their own; those of the task's seed by default. */
  readonly launches?: readonly Launch[];
  readonly compileOptions?: readonly string[];
  /** Ids of kernels of the task that parents may be besides those that are read. */
  readonly known?: ReadonlySet<string>;
}

/** A kernel that was read, by the name that others call it by. */
interface Draft {
  /** The name of its file, or its id in the table. */
  readonly name: string;
  readonly place: string;
  readonly kernel: Kernel;
  /** The name or id of its parent; undefined where nothing is said. */
  readonly parent?: string | null | undefined;
  readonly idea?: string | undefined;
  readonly origin?: string | undefined;
  readonly templateId?: string | undefined;
}

const launchesSuffix = ".launches.yaml";

/**
 * The kernels of a task that people made, after its seed kernel: of a folder each `NAME.cu` with its launches in
 * `NAME.launches.yaml` and its parents in `parents.jsonl`, where there are such; or of a table of the form of a recording's
 * `kernels`. Ids are computed; a kernel whose parent is not told descends from the seed kernel. Throws one line that names the
 * file and the fault.
 */
export async function readKernels(path: string, options: ReadKernelsOptions): Promise<RecordedKernel[]> {
  const drafts = isFolder(path) ? await readFolder(path, options) : await readKernelTable(path, options);
  const { seedKernel, taskId } = options.task;
  const ids = new Map([
    ["seed", seedKernel.kernelId],
    ...drafts.map(({ name, kernel }) => [name, kernel.kernelId] as const),
  ]);
  const known = new Set([...ids.values(), ...(options.known ?? [])]);
  const kernels = new Map<string, RecordedKernel>();
  kernels.set(seedKernel.kernelId, { kernel: seedKernel, taskId, parentId: null, origin: "seed" });
  for (const draft of drafts) {
    const { kernel, idea, origin = "submitted", templateId } = draft;
    if (kernels.has(kernel.kernelId)) continue;
    kernels.set(kernel.kernelId, {
      kernel,
      taskId,
      parentId: parentOf(draft, seedKernel.kernelId, ids, known),
      origin,
      ...(idea ? { idea } : {}),
      ...(templateId ? { templateId } : {}),
    });
  }
  return [...kernels.values()];
}

function isFolder(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found) return found.isDirectory();
  throw new KernelcastError(
    "usage",
    `--kernels ${path}: no such file or folder; give a folder of .cu files, or a table of kernels`,
  );
}

function parentOf(
  { parent, place, kernel }: Draft,
  seedId: string,
  ids: ReadonlyMap<string, string>,
  known: ReadonlySet<string>,
): string | null {
  if (parent === undefined) return seedId;
  if (parent === null) return null;
  const parentId = ids.get(parent) ?? (known.has(parent) ? parent : undefined);
  if (parentId === undefined) {
    throw new KernelcastError(
      "recording",
      `${place}: its parent "${parent}" is not among the kernels${suggestion(parent, [...ids.keys()])}`,
    );
  }
  if (parentId === kernel.kernelId) throw new KernelcastError("recording", `${place}: it is its own parent`);
  return parentId;
}

async function readFolder(folder: string, options: ReadKernelsOptions): Promise<Draft[]> {
  const files = listCuda(folder);
  const parents = await readParents(join(folder, "parents.jsonl"), files);
  return Promise.all(
    files.map(async (file) => {
      const place = join(folder, file);
      const own = `${place.slice(0, -".cu".length)}${launchesSuffix}`;
      const launches = existsSync(own) ? await readLaunches(own) : defaultLaunches(options);
      const source = await readText(place, { what: "kernel" });
      return { name: file, place, kernel: built(place, source, launches, options), ...parents.get(file) };
    }),
  );
}

function listCuda(folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder);
  } catch (cause) {
    throw new KernelcastError("recording", `${folder}: cannot be read: ${fileFault(cause)}`, { cause });
  }
  const files = entries.filter((entry) => entry.endsWith(".cu")).sort();
  if (files.length > 0) return files;
  throw new KernelcastError("recording", `${folder}: there is no .cu file in it`);
}

function defaultLaunches({ launches, task }: ReadKernelsOptions): readonly Launch[] {
  return launches ?? task.seedKernel.launches;
}

function built(
  place: string,
  source: string,
  launches: readonly Launch[],
  { task, compileOptions = task.seedKernel.compileOptions }: ReadKernelsOptions,
): Kernel {
  const names = { ...integerDefines(compileOptions), ...task.workload.sizes };
  return located(place, () => makeKernel({ source, launches, compileOptions }, names));
}

type Family = Pick<Draft, "parent" | "idea" | "templateId">;

/** Lines `{file, parent, idea?, template_id?}`; a parent is a file's name, `seed`, the id of a kernel, or null for a root. */
async function readParents(path: string, files: readonly string[]): Promise<Map<string, Family>> {
  const families = new Map<string, Family>();
  if (!existsSync(path)) return families;
  for (const { row, place } of await readTable([path], { required: ["file"] })) {
    const file = String(row["file"]);
    if (!files.includes(file)) {
      throw new KernelcastError("recording", `${place}: there is no file "${file}"${suggestion(file, files)}`);
    }
    families.set(file, {
      parent: textOrNull(row["parent"]),
      idea: textOrNull(row["idea"]) ?? undefined,
      templateId: textOrNull(row["template_id"]) ?? undefined,
    });
  }
  return families;
}

function textOrNull(value: unknown): string | null | undefined {
  return value === null || value === "" ? null : typeof value === "string" ? value : undefined;
}

async function readKernelTable(path: string, options: ReadKernelsOptions): Promise<Draft[]> {
  if (!/\.(jsonl|jsonl\.gz|parquet)$/.test(path)) {
    throw new KernelcastError(
      "usage",
      `--kernels ${path}: give a folder of .cu files, or a table as .jsonl, .jsonl.gz or .parquet`,
    );
  }
  const rows = await readTable([path], { required: ["source"] });
  const { taskId } = options.task;
  const ofTask = rows.filter(({ row }) => row["task_id"] == null || row["task_id"] === taskId);
  if (ofTask.length === 0) {
    throw new KernelcastError("recording", `${basename(path)}: no kernel of the task ${taskId} is in it`);
  }
  return ofTask.map((row, index) => toDraft(row, index, options));
}

function toDraft({ row, place }: LocatedRow, index: number, options: ReadKernelsOptions): Draft {
  const { task, compileOptions } = options;
  const parsed = kernelRowSchema.partial({ launches: true }).safeParse({
    ...row,
    kernel_id: row["kernel_id"] ?? `row ${index + 1}`,
    task_id: task.taskId,
    launches: row["launches"] ?? undefined,
  });
  if (!parsed.success) throw new KernelcastError("recording", `${place}: ${describeIssue(parsed.error.issues[0])}`);
  const { launches, ...rest } = parsed.data;
  const recorded = launches && located(place, () => toRecordedKernel({ ...rest, launches }));
  const ownOptions = parsed.data.compile_options ?? compileOptions;
  const kernel = built(place, rest.source, recorded?.kernel.launches ?? defaultLaunches(options), {
    task,
    ...(ownOptions ? { compileOptions: ownOptions } : {}),
  });
  const isRoot = rest.parent_id === "" || rest.parent_id === rest.kernel_id || row["parent_id"] === null;
  return {
    name: rest.kernel_id,
    place,
    kernel,
    parent: isRoot ? null : (rest.parent_id ?? undefined),
    idea: rest.idea ?? undefined,
    origin: rest.origin ?? undefined,
    templateId: rest.template_id ?? undefined,
  };
}

function located<T>(place: string, build: () => T): T {
  try {
    return build();
  } catch (cause) {
    if (!KernelcastError.isInstance(cause)) throw cause;
    throw new KernelcastError("recording", `${place}: ${cause.message}`, { cause });
  }
}
