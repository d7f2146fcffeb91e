import { basename, dirname, resolve } from "node:path";
import {
  bindLaunch,
  KernelcastError,
  makeKernel,
  type Kernel,
  type Launch,
  type Names,
  type RecordedKernel,
  type RecordedMeasurement,
  type Recording,
  type Runtime,
  type TunableSpace,
} from "../../domain/index.ts";
import { median, quantileSorted } from "../../domain/statistics/index.ts";
import { makeRecording } from "../make-recording.ts";
import type { TaskDraft } from "../recording-rows.ts";
import { defaultLaunch } from "./default-launch.ts";
import type { TunedConfiguration, TunedSpace, TunedValue } from "./tuned-space.ts";

export interface TunedRecordingOptions {
  /** Id of the task; by default the kernel's name. */
  readonly taskId?: string | undefined;
  /** Name of the device, for a file that does not tell. */
  readonly device?: string | undefined;
  /** Sources; that which names the kernel is taken. */
  readonly sources?: readonly string[];
  /** Launches over the parameters and `problem_size_x`, `_y`, `_z`, instead of those that Kernel Tuner makes by default. */
  readonly launches?: readonly Launch[] | undefined;
  /** What counts as a kernel's runtime: the median of its samples, as in other recordings, or the tuner's own figure, a mean. */
  readonly runtime?: "median" | "tuner";
}

export interface TunedRecording {
  readonly recording: Recording;
  /** One line for each thing that the files do not tell, or that a user should know. */
  readonly notes: readonly string[];
}

/** A recording of what Kernel Tuner measured: a task for each kernel and problem size, a kernel for each configuration. */
export function tunedRecording(
  name: string,
  spaces: readonly TunedSpace[],
  options: TunedRecordingOptions = {},
): TunedRecording {
  const notes = new Set(spaces.flatMap((space) => space.notes));
  const parts = [...groupByTask(spaces, options)].map(([taskId, group]) => taskPart(taskId, group, options, notes));
  const recording = makeRecording({
    name,
    tasks: parts.map(({ task }) => task),
    kernels: parts.flatMap(({ kernels }) => kernels),
    measurements: parts.flatMap(({ measurements }) => measurements),
  });
  return { recording, notes: [...notes] };
}

function groupByTask(
  spaces: readonly TunedSpace[],
  { taskId }: TunedRecordingOptions,
): ReadonlyMap<string, readonly TunedSpace[]> {
  const groups = new Map<string, TunedSpace[]>();
  for (const space of spaces) {
    const id = taskId ?? kernelName(space);
    const group = groups.get(id) ?? [];
    const other = group.find((earlier) => shapeOf(earlier) !== shapeOf(space));
    if (other) {
      const advice = "import them apart, each with a --task of its own";
      const why = `its parameters or its problem size are not those of ${other.path}`;
      throw new KernelcastError("recording", `${space.path}: ${why}, so both cannot be the task ${id}; ${advice}`);
    }
    groups.set(id, [...group, space]);
  }
  return groups;
}

/** Results name no kernel: the folder that they lie in is taken for its name. */
function kernelName({ kernelName: given, path }: TunedSpace): string {
  return given ?? basename(dirname(resolve(path))).replace(/\W+/g, "_");
}

function shapeOf({ parameters, problemSize }: TunedSpace): string {
  return JSON.stringify([Object.keys(parameters), problemSize ?? null]);
}

interface TaskPart {
  readonly task: TaskDraft;
  readonly kernels: readonly RecordedKernel[];
  readonly measurements: readonly RecordedMeasurement[];
}

function taskPart(
  taskId: string,
  spaces: readonly TunedSpace[],
  options: TunedRecordingOptions,
  notes: Set<string>,
): TaskPart {
  const first = spaces[0] as TunedSpace;
  const entry = kernelName(first);
  const sizes = problemSizes(first);
  const known = options.sources?.find((text) => new RegExp(`\\b${entry.replace(/\W/g, "\\$&")}\\b`).test(text));
  const source = known ?? `// The source was not in the file.\nextern "C" __global__ void ${entry}();\n`;
  if (known === undefined)
    notes.add(`${taskId}: no source given (--source FILE), so forecasts have parameters and launches alone`);
  const launches = options.launches ?? [defaultLaunch(entry, first, notes, taskId)];
  const tunables = toTunables(spaces, launches, known === undefined ? [] : ["-Dkernel_tuner=1"]);
  if (!numericSpace(tunables))
    notes.add(`${taskId}: some parameters are not whole numbers, so --proposer tunables cannot be used`);
  const kernelOf = (values: TunedConfiguration["values"]): Kernel => kernelAt(values, source, tunables, sizes);
  const measured = spaces.flatMap((space) => {
    const device = deviceOf(space, options, notes);
    return space.configurations.map((configuration) => {
      const kernel = kernelOf(configuration.values);
      return {
        kernel,
        measurement: toMeasurement(configuration, kernel.kernelId, device, options.runtime ?? "median"),
      };
    });
  });
  return {
    task: taskDraft(taskId, entry, sizes, spaces, numericSpace(tunables)),
    kernels: asTree(measured, taskId),
    measurements: measured.map(({ measurement }) => measurement),
  };
}

function problemSizes({ problemSize = [] }: TunedSpace): Names {
  const axes = ["x", "y", "z"];
  return Object.fromEntries(problemSize.map((size, index) => [`problem_size_${axes[index]}`, size]));
}

function deviceOf({ deviceName, path }: TunedSpace, { device }: TunedRecordingOptions, notes: Set<string>): string {
  const known = deviceName ?? device;
  if (known !== undefined) return known;
  const file = basename(path).replace(/(_T4)?\.json(\.gz)?$/, "");
  notes.add(`${path}: it does not name its device; taken to be ${file} (--device NAME says otherwise)`);
  return file;
}

type AnySpace = Omit<TunableSpace, "parameters"> & {
  readonly parameters: Readonly<Record<string, readonly TunedValue[]>>;
};

function toTunables(
  spaces: readonly TunedSpace[],
  launches: readonly Launch[],
  compileOptions: readonly string[],
): AnySpace {
  const parameters = Object.keys((spaces[0] as TunedSpace).parameters).map((name) => [
    name,
    [...new Set(spaces.flatMap((space) => space.parameters[name] ?? []))],
  ]);
  return {
    parameters: Object.fromEntries(parameters) as AnySpace["parameters"],
    constraints: [],
    launches,
    compileOptions,
  };
}

function numericSpace(space: AnySpace): TunableSpace | undefined {
  const values = Object.values(space.parameters).flat();
  return values.every((value) => Number.isSafeInteger(value)) ? (space as TunableSpace) : undefined;
}

function kernelAt(
  values: TunedConfiguration["values"],
  source: string,
  { parameters, launches, compileOptions }: AnySpace,
  sizes: Names,
): Kernel {
  const names = { ...sizes, ...numbersOf(values) };
  const options = Object.keys(parameters).map((name) => `-D${name}=${inPython(values[name] as TunedValue)}`);
  return makeKernel(
    {
      source,
      launches: launches.map((launch) => bindLaunch(launch, names)),
      compileOptions: [...compileOptions, ...options],
    },
    names,
  );
}

function numbersOf(values: TunedConfiguration["values"]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
}

function inPython(value: TunedValue): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  return String(value);
}

/** The first that is ok is what a search starts from; the files tell nothing of where the others came from. */
function asTree(
  measured: readonly { readonly kernel: Kernel; readonly measurement: RecordedMeasurement }[],
  taskId: string,
): RecordedKernel[] {
  const seed = (measured.find(({ measurement }) => measurement.status === "ok") ?? measured[0])?.kernel.kernelId;
  const unique = new Map(measured.map(({ kernel }) => [kernel.kernelId, kernel]));
  return [...unique.values()].map((kernel): RecordedKernel => {
    const isSeed = kernel.kernelId === seed;
    return { kernel, taskId, parentId: isSeed ? null : (seed ?? null), origin: isSeed ? "seed" : "kernel-tuner" };
  });
}

function toMeasurement(
  { outcome, compileMs, benchmarkMs, verificationMs }: TunedConfiguration,
  kernelId: string,
  device: string,
  runtime: "median" | "tuner",
): RecordedMeasurement {
  const base = {
    kernelId,
    device,
    ...(compileMs === undefined ? {} : { evidence: { compileMs } }),
    ...(benchmarkMs === undefined ? {} : { gpuMs: benchmarkMs + (verificationMs ?? 0) }),
  };
  if (outcome.status !== "ok") return { ...base, status: outcome.status, error: outcome.error };
  const samplesUs = outcome.samplesMs.map((sample) => sample * 1000);
  return { ...base, status: "ok", runtime: toRuntime(outcome.timeMs * 1000, runtime === "tuner" ? [] : samplesUs) };
}

function toRuntime(timeUs: number, samplesUs: readonly number[]): Runtime {
  const sorted = samplesUs.toSorted((a, b) => a - b);
  return {
    medianUs: median(sorted) ?? timeUs,
    p10Us: quantileSorted(sorted, 0.1) ?? timeUs,
    p90Us: quantileSorted(sorted, 0.9) ?? timeUs,
    n: Math.max(1, samplesUs.length),
    samplesUs,
  };
}

const unknownReference = `def reference(inputs, sizes):
    raise NotImplementedError("the task was imported from Kernel Tuner's results, which hold no reference")
`;

function taskDraft(
  taskId: string,
  entry: string,
  sizes: Names,
  spaces: readonly TunedSpace[],
  tunables: TunableSpace | undefined,
): TaskDraft {
  const over = Object.values(sizes).join(" × ") || "a size that the file does not tell";
  return {
    taskId,
    kind: "cuda",
    title: entry,
    family: entry,
    description: `${entry} over ${over}, measured by Kernel Tuner. Arguments, tolerance and reference are not known.`,
    workload: { sizes, args: [], flops: flopsOf(spaces), bytesMin: 0 },
    boundaryWorkloads: [],
    // Kernel Tuner's own default.
    tolerance: { type: "allclose", rtol: 1e-5, atol: 1e-6 },
    precisions: ["f32"],
    reference: unknownReference,
    ...(tunables ? { tunables } : {}),
  };
}

/** Operations, where the user had Kernel Tuner compute GFLOP/s and all configurations agree; else 0, for unknown. */
function flopsOf(spaces: readonly TunedSpace[]): number {
  const counts = spaces.flatMap(({ configurations }) =>
    configurations.flatMap(({ outcome, metrics }) => {
      const rate = metrics["GFLOP/s"];
      return outcome.status === "ok" && rate !== undefined ? [rate * outcome.timeMs * 1e6] : [];
    }),
  );
  const middle = median(counts);
  if (middle === undefined || counts.some((count) => Math.abs(count / middle - 1) > 0.01)) return 0;
  return Math.round(middle);
}
