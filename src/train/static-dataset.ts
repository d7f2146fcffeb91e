import {
  keyedShuffle,
  recordedRuntimeUs,
  type DeviceInfo,
  type RecordedKernel,
  type RecordedMeasurement,
  type Recording,
  type Task,
} from "../domain/index.ts";
import { factsDistance, featureVector, type FeatureContext } from "../forecast/static/features.ts";
import { FactsCache } from "../forecast/static/facts-cache.ts";
import type { KernelFacts } from "../forecast/static/kernel-facts.ts";

/** A measured kernel that may correct an example's forecast. */
export interface Neighbour {
  readonly kernelId: string;
  readonly distance: number;
}

/** One kernel as described without or with what a compiler said of it. */
export interface Example {
  readonly taskId: string;
  readonly family: string;
  readonly kernelId: string;
  readonly parentId: string | null;
  readonly templateId: string | undefined;
  readonly features: Float64Array;
  readonly ok: boolean;
  /** log2(runtime / seed kernel's runtime); NaN for a kernel that failed. */
  readonly target: number;
  readonly view: "bare" | "compiled";
  readonly weight: number;
  /** The seed kernel, and eight other working kernels: the same for all examples of the task, but for the kernel itself. */
  readonly seed: Neighbour;
  readonly others: readonly Neighbour[];
}

/** Anchors besides the seed. */
const otherAnchors = 8;

interface Described {
  readonly recorded: RecordedKernel;
  readonly measurement: RecordedMeasurement;
  readonly log2Us: number | undefined;
  readonly bare: KernelFacts;
  readonly compiled: KernelFacts | undefined;
}

/**
 * Examples of one task of a recording: each kernel without compile evidence and, where it compiled, with it. Empty for a
 * task whose seed kernel has no ok measurement on the device.
 */
export function taskExamples(recording: Recording, taskId: string, device: DeviceInfo): Example[] {
  const task = recording.tasks.get(taskId)?.task;
  if (!task) return [];
  const described = describeKernels(recording, task, device);
  const seed = described.find(({ recorded }) => recorded.kernel.kernelId === task.seedKernel.kernelId);
  if (seed?.log2Us === undefined) return [];
  const context: FeatureContext = { task, device, seed: { facts: seed.bare, log2Us: seed.log2Us } };
  const working = described.filter((one) => one !== seed && one.log2Us !== undefined);
  const anchors = keyedShuffle(working, "static-anchors", taskId).slice(0, otherAnchors);
  const weight = 100 / described.length;
  return described.flatMap((one) => {
    const common = {
      taskId,
      family: task.family,
      kernelId: one.recorded.kernel.kernelId,
      parentId: one.recorded.parentId,
      templateId: one.recorded.templateId,
      ok: one.measurement.status === "ok",
      target: one.log2Us === undefined ? Number.NaN : one.log2Us - context.seed.log2Us,
      weight,
      seed: neighbour(one, seed),
      others: anchors.filter((other) => other !== one).map((other) => neighbour(one, other)),
    };
    const bare: Example = { ...common, view: "bare", features: featureVector(one.bare, context) };
    return one.compiled
      ? [bare, { ...common, view: "compiled", features: featureVector(one.compiled, context) }]
      : [bare];
  });
}

function describeKernels(recording: Recording, task: Task, device: DeviceInfo): Described[] {
  const measurements = recording.measurements(task.taskId, device.name);
  const facts = new FactsCache();
  return recording.kernels(task.taskId).flatMap((recorded) => {
    const measurement = measurements.get(recorded.kernel.kernelId);
    if (!measurement) return [];
    const { evidence, status } = measurement;
    const us = recordedRuntimeUs(measurement);
    const bare = facts.get(recorded.kernel, task, device, undefined);
    const hasEvidence = evidence !== undefined && status !== "compile_error";
    const compiled = hasEvidence ? facts.get(recorded.kernel, task, device, evidence) : undefined;
    return [{ recorded, measurement, log2Us: us === undefined ? undefined : Math.log2(us), bare, compiled }];
  });
}

function neighbour(own: Described, other: Described): Neighbour {
  return { kernelId: other.recorded.kernel.kernelId, distance: factsDistance(own.bare, other.bare) };
}
