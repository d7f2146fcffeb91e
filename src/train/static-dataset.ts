import {
  keyedShuffle,
  keyedUniform,
  recordedRuntimeUs,
  type DeviceInfo,
  type RecordedKernel,
  type RecordedMeasurement,
  type Recording,
  type Task,
} from "../domain/index.ts";
import { featureVector, type AnchorFacts, type FeatureContext } from "../forecast/static/features.ts";
import { kernelFacts, type KernelFacts } from "../forecast/static/kernel-facts.ts";

/** One kernel described in one way: against some anchors, with or without what a compiler said. */
export interface Example {
  readonly taskId: string;
  readonly family: string;
  readonly kernelId: string;
  readonly templateId: string | undefined;
  readonly features: Float64Array;
  readonly ok: boolean;
  /** log2(runtime / seed kernel's runtime); NaN for a kernel that failed. */
  readonly target: number;
  /** What the example stands for: the seed as only anchor, or others too. */
  readonly view: "seed-only" | "anchors";
  readonly weight: number;
}

/** Greatest number of anchors besides the seed in an example. */
const mostAnchors = 8;

interface Described {
  readonly recorded: RecordedKernel;
  readonly measurement: RecordedMeasurement;
  readonly log2Us: number | undefined;
  /** Without and with compile evidence. */
  readonly bare: KernelFacts;
  readonly compiled: KernelFacts | undefined;
}

/**
 * Examples of one task of a recording: each kernel once with the seed as only anchor and without evidence, once with
 * up to eight other anchors, drawn by key, and evidence. Empty for a task whose seed was not measured.
 */
export function taskExamples(recording: Recording, taskId: string, device: DeviceInfo): Example[] {
  const task = recording.tasks.get(taskId)?.task;
  if (!task) return [];
  const described = describeKernels(recording, task, device);
  const seed = described.find(({ recorded }) => recorded.kernel.kernelId === task.seedKernel.kernelId);
  if (seed?.log2Us === undefined) return [];
  const seedAnchor: AnchorFacts = { facts: seed.bare, log2Us: seed.log2Us };
  const working = described.filter((one) => one !== seed && one.log2Us !== undefined);
  return described.flatMap((one) => {
    const common = exampleBase(task, one, seedAnchor.log2Us, described.length);
    const alone: FeatureContext = { task, device, seed: seedAnchor, others: [] };
    const others = drawAnchors(working, one, taskId);
    const facts = one.compiled ?? one.bare;
    const seedOnly: Example = { ...common, view: "seed-only", features: featureVector(one.bare, alone) };
    if (one.measurement.status === "compile_error") return [seedOnly];
    return [seedOnly, { ...common, view: "anchors", features: featureVector(facts, { ...alone, others }) }];
  });
}

function describeKernels(recording: Recording, task: Task, device: DeviceInfo): Described[] {
  const measurements = recording.measurements(task.taskId, device.name);
  return recording.kernels(task.taskId).flatMap((recorded) => {
    const measurement = measurements.get(recorded.kernel.kernelId);
    if (!measurement) return [];
    const { evidence } = measurement;
    const us = recordedRuntimeUs(measurement);
    const bare = kernelFacts(recorded.kernel, task, device, undefined);
    const compiled = evidence ? kernelFacts(recorded.kernel, task, device, evidence) : undefined;
    return [{ recorded, measurement, log2Us: us === undefined ? undefined : Math.log2(us), bare, compiled }];
  });
}

function exampleBase(
  task: Task,
  { recorded, measurement, log2Us }: Described,
  seedLog2Us: number,
  kernels: number,
): Omit<Example, "view" | "features"> {
  return {
    taskId: task.taskId,
    family: task.family,
    kernelId: recorded.kernel.kernelId,
    templateId: recorded.templateId,
    ok: measurement.status === "ok",
    target: log2Us === undefined ? Number.NaN : log2Us - seedLog2Us,
    weight: 100 / kernels,
  };
}

function drawAnchors(working: readonly Described[], own: Described, taskId: string): AnchorFacts[] {
  const { kernelId } = own.recorded.kernel;
  const count = 1 + Math.floor(keyedUniform("static-anchors", taskId, kernelId) * mostAnchors);
  return keyedShuffle(
    working.filter((one) => one !== own),
    "static-anchors",
    taskId,
    kernelId,
  )
    .slice(0, count)
    .map(({ bare, compiled, log2Us }) => ({ facts: compiled ?? bare, log2Us: log2Us ?? 0 }));
}
