import {
  recordedRuntimeUs,
  type DeviceInfo,
  type MeasurementStatus,
  type RecordedKernel,
  type Recording,
  type Split,
  type Task,
} from "../domain/index.ts";
import { wordRuns } from "../forecast/source/likeness.ts";
import type { Tokenizer } from "../forecast/embedded/tokenizer.ts";
import { FactsCache } from "../forecast/static/facts-cache.ts";
import { featureVector, type FeatureContext } from "../forecast/static/features.ts";
import { kernelFacts } from "../forecast/static/kernel-facts.ts";

/** One kernel of the training data. */
export interface EmbeddedExample {
  readonly kernelId: string;
  readonly parentId: string | null;
  readonly templateId: string | null;
  readonly status: MeasurementStatus;
  /** log2(runtime in µs); null for a kernel that failed. */
  readonly log2Us: number | null;
  readonly ids: readonly number[];
  readonly magnitudes: readonly number[];
  /** Hashes of the distinct runs of three words, for likeness. */
  readonly runs: readonly number[];
  /** Features of the static forecaster against the seed kernel, without and, where there is some, with compile evidence. */
  readonly bare: readonly (number | null)[];
  readonly compiled: readonly (number | null)[] | null;
}

/** The kernels of one task on one device; the first is its seed kernel. */
export interface EmbeddedTask {
  readonly taskId: string;
  readonly family: string;
  readonly split: Split | null;
  readonly device: string;
  readonly kernels: readonly EmbeddedExample[];
}

export interface EmbeddedDatasetOptions {
  readonly device: DeviceInfo;
  readonly tokenizer: Tokenizer;
  /** Tokens of a kernel beyond which it is cut off. */
  readonly limit: number;
}

/** Reads one task's measured kernels; undefined for a task whose seed kernel has no ok measurement on the device. */
export function embeddedTask(
  recording: Recording,
  taskId: string,
  options: EmbeddedDatasetOptions,
): EmbeddedTask | undefined {
  const { device } = options;
  const recorded = recording.tasks.get(taskId);
  if (!recorded) return undefined;
  const { task } = recorded;
  const seed = recording.measurements(taskId, device.name).get(task.seedKernel.kernelId);
  const seedUs = seed && recordedRuntimeUs(seed);
  if (seedUs === undefined) return undefined;
  const facts = kernelFacts(task.seedKernel, task, device, undefined);
  const context: FeatureContext = { task, device, seed: { facts, log2Us: Math.log2(seedUs) } };
  const isSeed = ({ kernel }: RecordedKernel): number => (kernel.kernelId === task.seedKernel.kernelId ? 0 : 1);
  const kernels = recording
    .kernels(taskId)
    .toSorted((a, b) => isSeed(a) - isSeed(b))
    .flatMap((kernel) => example(recording, task, kernel, context, options) ?? []);
  return { taskId, family: task.family, split: recorded.split ?? null, device: device.name, kernels };
}

function example(
  recording: Recording,
  task: Task,
  { kernel, parentId, templateId }: RecordedKernel,
  context: FeatureContext,
  { device, tokenizer, limit }: EmbeddedDatasetOptions,
): EmbeddedExample | undefined {
  const measurement = recording.measurements(task.taskId, device.name).get(kernel.kernelId);
  if (!measurement || measurement.status === "crashed") return undefined;
  const { status, evidence } = measurement;
  const us = recordedRuntimeUs(measurement);
  const { ids, magnitudes } = tokenizer.encode(kernel, task, limit);
  const facts = new FactsCache();
  const features = (given: typeof evidence): (number | null)[] =>
    Array.from(featureVector(facts.get(kernel, task, device, given), context), (value) =>
      Number.isFinite(value) ? Number(value.toPrecision(5)) : null,
    );
  return {
    kernelId: kernel.kernelId,
    parentId,
    templateId: templateId ?? null,
    status,
    log2Us: us === undefined ? null : Math.log2(us),
    ids,
    magnitudes,
    runs: [...wordRuns(kernel, task)],
    bare: features(undefined),
    compiled: evidence && status !== "compile_error" ? features(evidence) : null,
  };
}
