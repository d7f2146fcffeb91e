import {
  keyedUniform,
  makeKernel,
  type MeasurementStatus,
  type RecordedKernel,
  type RecordedMeasurement,
  type Recording,
  type Runtime,
} from "../domain/index.ts";
import { makeRecording } from "../formats/make-recording.ts";
import { syntheticDeviceInfo, syntheticTask } from "./synthetic.ts";

export interface SyntheticRecordingOptions {
  readonly taskIds?: readonly string[];
  /** Kernels per task, the seed kernel included. */
  readonly kernels?: number;
  readonly seed?: number;
  /**
   * A device besides that measured every n-th kernel of a task, the seed kernel among them: the same runtimes, each times a
   * factor of its own between 0.7 and 0.8.
   */
  readonly secondDevice?: { readonly name: string; readonly everyNth: number };
}

/**
 * A recording that no device made: per task a derivation tree, runtimes that improve along some branches, two passes
 * within half a percent of each other, one kernel in twelve failing. A function of its options.
 */
export function syntheticRecording(options: SyntheticRecordingOptions = {}): Recording {
  const { taskIds = ["synthetic-a", "synthetic-b"], kernels = 24, seed = 1 } = options;
  const trees = taskIds.map((taskId) => syntheticTree(taskId, kernels, seed));
  const measurements = trees.flat().map((kernel, index) => syntheticMeasurement(kernel, seed, index % kernels));
  return makeRecording({
    name: "synthetic",
    tasks: taskIds.map((taskId) => {
      const { seedKernel: _seedKernel, ...task } = syntheticTask(taskId);
      return { ...task, family: taskId, split: "test" };
    }),
    kernels: trees.flat(),
    measurements: [...measurements, ...measureAgain(measurements, kernels, options)],
    devices: [
      syntheticDeviceInfo,
      ...(options.secondDevice ? [{ ...syntheticDeviceInfo, name: options.secondDevice.name }] : []),
    ],
  });
}

function syntheticTree(taskId: string, count: number, seed: number): RecordedKernel[] {
  const tree: RecordedKernel[] = [];
  for (let index = 0; index < count; index++) {
    const parent = tree[Math.floor(keyedUniform(seed, "tree", taskId, index) * tree.length)];
    const source = `extern "C" __global__ void k(float* out, int n) { out[threadIdx.x % n] = ${index}; } // ${taskId}`;
    const launches = [{ kernel: "k", grid: [1, 1, 1], block: [256, 1, 1], smemBytes: 0, args: ["out", { i32: 1024 }] }];
    tree.push({
      kernel: makeKernel({ source, launches: launches as never, compileOptions: [] }, {}),
      taskId,
      parentId: parent?.kernel.kernelId ?? null,
      idea: `step ${index}`,
      templateId: `template-${index % 4}`,
      origin: index === 0 ? "seed" : "synthetic",
    });
  }
  return tree;
}

function measureAgain(
  measurements: readonly RecordedMeasurement[],
  kernels: number,
  { secondDevice, seed = 1 }: SyntheticRecordingOptions,
): RecordedMeasurement[] {
  if (!secondDevice) return [];
  return measurements
    .filter((_, index) => (index % kernels) % secondDevice.everyNth === 0)
    .map((measurement) => {
      const { kernelId, runtime, runtimePass2 } = measurement;
      const factor = 0.7 + 0.1 * keyedUniform(seed, "second device", kernelId);
      return {
        ...measurement,
        device: secondDevice.name,
        ...(runtime ? { runtime: scaled(runtime, factor) } : {}),
        ...(runtimePass2 ? { runtimePass2: scaled(runtimePass2, factor) } : {}),
      };
    });
}

function scaled({ medianUs, p10Us, p90Us, n, samplesUs }: Runtime, factor: number): Runtime {
  const times = (us: number): number => Math.round(us * factor * 1000) / 1000;
  return { medianUs: times(medianUs), p10Us: times(p10Us), p90Us: times(p90Us), n, samplesUs: samplesUs.map(times) };
}

const failures: readonly MeasurementStatus[] = ["compile_error", "incorrect", "launch_error"];

function syntheticMeasurement(recorded: RecordedKernel, seed: number, index: number): RecordedMeasurement {
  const { kernelId } = recorded.kernel;
  const base = { kernelId, device: syntheticDeviceInfo.name, gpuMs: 50 };
  if (index > 0 && index % 12 === 0) {
    const status = failures[(index / 12) % failures.length] as MeasurementStatus;
    return { ...base, status, error: `${status}: synthetic` };
  }
  const log2Us = 7 - 0.05 * index + 2 * keyedUniform(seed, "runtime", kernelId);
  return {
    ...base,
    status: "ok",
    runtime: syntheticRuntime(2 ** log2Us, seed, kernelId, 1),
    runtimePass2: syntheticRuntime(2 ** log2Us, seed, kernelId, 2),
    evidence: { regs: 32 + (index % 64), staticSmem: 0, spillBytes: 0, occupancy: 0.5, compileMs: 40 },
  };
}

function syntheticRuntime(us: number, seed: number, kernelId: string, pass: number): Runtime {
  const samples = Array.from({ length: 5 }, (_, sample) => {
    const noise = 1 + 0.005 * (keyedUniform(seed, "noise", kernelId, pass, sample) - 0.5);
    return Math.round(us * noise * 1000) / 1000;
  });
  const sorted = samples.toSorted((a, b) => a - b);
  const [p10Us = us, , medianUs = us, , p90Us = us] = sorted;
  return { medianUs, p10Us, p90Us, n: samples.length, samplesUs: samples };
}
