import { KernelcastError, speedupBinEdges, type Recording, type Split } from "../../domain/index.ts";
import { binLetters, failureLetter } from "../../forecast/llm/bins.ts";
import { writeFiles, type EncodedFile } from "../../formats/write-files.ts";
import { taskExamples, type ExampleOptions, type TrainingExample } from "./examples.ts";

/** What was written of a split. */
export interface SplitCount {
  readonly split: Split;
  readonly tasks: number;
  readonly families: number;
  readonly examples: number;
  readonly kernels: number;
}

const splits = ["train", "validation", "test"] as const satisfies readonly Split[];

/**
 * Writes the training data of a recording, whose sources are sanitised, into a folder: `train.jsonl`, `validation.jsonl`, `test.jsonl`
 * and `meta.json` with what the trainer must not define anew. Throws `KernelcastError("recording", …)` where a family is in two splits.
 */
export async function writeTrainingData(
  folder: string,
  recording: Recording,
  taskIds: readonly string[],
  options: ExampleOptions,
): Promise<readonly SplitCount[]> {
  const counts: SplitCount[] = [];
  const files: EncodedFile[] = [];
  const places = placesOf(recording, taskIds);
  for (const split of splits) {
    const own = places.filter((place) => place.split === split);
    const examples = own.flatMap((place) => taskExamples(recording, place, options));
    files.push({ name: `${split}.jsonl`, content: examples.map((one) => `${JSON.stringify(toRow(one))}\n`).join("") });
    counts.push({
      split,
      tasks: new Set(examples.map(({ taskId }) => taskId)).size,
      families: new Set(examples.map(({ family }) => family)).size,
      examples: examples.length,
      kernels: examples.reduce((sum, { kernels }) => sum + kernels.length, 0),
    });
  }
  if (counts.every(({ examples }) => examples === 0)) {
    const why = "no kernel in it has a time that two passes agree on, in a task with a split";
    throw new KernelcastError("recording", `${recording.name}: ${why}`);
  }
  await writeFiles(folder, [...files, { name: "meta.json", content: metaText(recording, options, counts) }]);
  return counts;
}

interface Place {
  readonly taskId: string;
  readonly split: Split;
}

/** Tasks with their splits; those of a recording without any teach. */
function placesOf({ name, tasks }: Recording, taskIds: readonly string[]): Place[] {
  const hasSplits = [...tasks.values()].some(({ split, task }) => split ?? task.split);
  const ofFamily = new Map<string, Split>();
  return taskIds.flatMap((taskId): Place[] => {
    const recorded = tasks.get(taskId);
    const split = recorded?.split ?? recorded?.task.split ?? (hasSplits ? undefined : "train");
    if (!recorded || !split) return [];
    const { family } = recorded.task;
    const other = ofFamily.get(family) ?? split;
    if (other !== split) {
      throw new KernelcastError("recording", `${name}: the family "${family}" is in the splits ${other} and ${split}`);
    }
    ofFamily.set(family, split);
    return [{ taskId, split }];
  });
}

function toRow(example: TrainingExample): object {
  const { promptSha256, taskId, family, split, form, system, prompt, answer, anchorIds, scaleLog2Us, kernels } =
    example;
  return {
    prompt_sha256: promptSha256,
    task_id: taskId,
    family,
    split,
    form,
    system,
    prompt,
    answer,
    anchor_ids: anchorIds,
    scale_log2_us: scaleLog2Us,
    kernels: kernels.map(({ label, kernelId, log2Us }) => ({ label, kernel_id: kernelId, log2_us: log2Us })),
  };
}

function metaText(recording: Recording, options: ExampleOptions, counts: readonly SplitCount[]): string {
  const { device, form, view, evidence, asked, contextTokens, spread, draws, lists, seed, perTask } = options;
  const meta = {
    recording: recording.name,
    device: device.name,
    form,
    asked: { ...asked, form },
    view,
    evidence,
    context_tokens: contextTokens,
    spread,
    draws,
    lists: lists ?? null,
    seed,
    per_task: perTask ?? null,
    bins: { edges: speedupBinEdges, letters: binLetters, failure: failureLetter },
    splits: counts,
  };
  return `${JSON.stringify(meta, null, 1)}\n`;
}
