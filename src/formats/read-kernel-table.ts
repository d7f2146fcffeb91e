import { basename } from "node:path";
import { KernelcastError, type Kernel } from "../domain/index.ts";
import { buildKernel, defaultLaunches, located, type KernelDraft, type ReadKernelsOptions } from "./kernel-draft.ts";
import { describeIssue } from "./load-task.ts";
import { toRecordedKernel } from "./recording-rows.ts";
import { kernelRowSchema, type KernelRow } from "./recording-schema.ts";
import { readTable, type LocatedRow } from "./table-files.ts";

/** The kernels of a task in a table of the form of a recording's `kernels`, of which only `source` must be there. */
export async function readKernelTable(path: string, options: ReadKernelsOptions): Promise<KernelDraft[]> {
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

type PartialRow = Omit<KernelRow, "launches"> & { readonly launches?: KernelRow["launches"] | undefined };

function toDraft({ row, place }: LocatedRow, index: number, options: ReadKernelsOptions): KernelDraft {
  const { taskId } = options.task;
  const parsed = kernelRowSchema.partial({ launches: true }).safeParse({
    ...row,
    kernel_id: row["kernel_id"] ?? `row ${index + 1}`,
    task_id: taskId,
    launches: row["launches"] ?? undefined,
  });
  if (!parsed.success) throw new KernelcastError("recording", `${place}: ${describeIssue(parsed.error.issues[0])}`);
  const { kernel_id: name, parent_id: parent, idea, origin, template_id: templateId } = parsed.data;
  const isRoot = parent === "" || parent === name || row["parent_id"] === null;
  return {
    name,
    place,
    kernel: toKernel(parsed.data, place, options),
    parent: isRoot ? null : (parent ?? undefined),
    idea: idea ?? undefined,
    origin: origin ?? undefined,
    templateId: templateId ?? undefined,
  };
}

function toKernel({ launches, ...row }: PartialRow, place: string, options: ReadKernelsOptions): Kernel {
  const recorded = launches && located(place, () => toRecordedKernel({ ...row, launches }));
  const compileOptions = row.compile_options ?? options.compileOptions;
  return buildKernel(place, row.source, recorded?.kernel.launches ?? defaultLaunches(options), {
    task: options.task,
    ...(compileOptions ? { compileOptions } : {}),
  });
}
