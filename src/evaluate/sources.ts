import { reformatSource } from "../check/reformat.ts";
import { renameIdentifiers, type NameTable } from "../check/rename/rename-identifiers.ts";
import { sanitiseSource } from "../check/sanitise.ts";
import type { Kernel, RecordedKernel, RecordedTask, Recording } from "../domain/index.ts";

/**
 * How sources are shown to forecasters. `raw`: as recorded. `sanitised`: without comments and the contents of strings.
 * `renamed`: also with neutral names for all that a kernel declares itself, one name alike in all kernels of a task, so that kernels
 * stay as alike as they are. `renamed-alone`: each kernel by itself, so that not even an equal name tells. `reformatted`: sanitised,
 * in another layout.
 */
export const sourceForms = ["raw", "sanitised", "renamed", "renamed-alone", "reformatted"] as const;

export type SourceForm = (typeof sourceForms)[number];

/**
 * The recording with every kernel shown in a form, anchors and seed kernels too. Ids stay, so that measurements and evidence are
 * found: no cache may be shared between forms.
 */
export function withSources(recording: Recording, form: SourceForm): Recording {
  if (form === "raw") return recording;
  const shown = new Map<string, readonly RecordedKernel[]>();
  const transforms = new Map<string, (kernel: Kernel) => Kernel>();
  const transformOf = (taskId: string): ((kernel: Kernel) => Kernel) => {
    const known = transforms.get(taskId) ?? transformTo(form);
    transforms.set(taskId, known);
    return known;
  };
  const tasks = [...recording.tasks].map(([taskId, recorded]): [string, RecordedTask] => {
    const seedKernel = transformOf(taskId)(recorded.task.seedKernel);
    return [taskId, { ...recorded, task: { ...recorded.task, seedKernel } }];
  });
  return {
    ...recording,
    tasks: new Map(tasks),
    kernels: (taskId) => {
      const known = shown.get(taskId);
      if (known) return known;
      const transform = transformOf(taskId);
      const kernels = recording.kernels(taskId).map((one) => ({ ...one, kernel: transform(one.kernel) }));
      shown.set(taskId, kernels);
      return kernels;
    },
  };
}

/** Shows the kernels of one task. */
function transformTo(form: Exclude<SourceForm, "raw">): (kernel: Kernel) => Kernel {
  const names: NameTable = new Map();
  return (kernel) => {
    const source = sanitiseSource(kernel.source);
    if (form === "reformatted") return { ...kernel, source: reformatSource(source) };
    if (form === "renamed-alone") return renameIdentifiers({ ...kernel, source });
    return form === "renamed" ? renameIdentifiers({ ...kernel, source }, names) : { ...kernel, source };
  };
}
