import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { KernelcastError, suggestion, type RecordedKernel } from "../domain/index.ts";
import type { KernelDraft, ReadKernelsOptions } from "./kernel-draft.ts";
import { readFamilies } from "./read-families.ts";
import { readKernelFolder } from "./read-kernel-files.ts";
import { readKernelTable } from "./read-kernel-table.ts";

/**
 * The kernels of a task that people made, after its seed kernel: of a folder each `NAME.cu` with its launches in
 * `NAME.launches.yaml` (or `NAME.yaml`) and its parents in `parents.jsonl`, where there are such; or of a table of the form of a recording's
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
  { parent, place, kernel }: KernelDraft,
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

async function readFolder(folder: string, options: ReadKernelsOptions): Promise<KernelDraft[]> {
  const drafts = await readKernelFolder(folder, options);
  const path = join(folder, "parents.jsonl");
  if (!existsSync(path)) return drafts;
  const names = drafts.map(({ name }) => name);
  const families = await readFamilies(path, names);
  return drafts.map((draft) => ({ ...draft, ...families.get(draft.name) }));
}
