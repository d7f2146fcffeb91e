import { basename, dirname, resolve } from "node:path";
import type { Kernel, Recording, Task } from "../../src/domain/index.ts";
import { readTunedSpace } from "../../src/formats/kernel-tuner/read-tuned-space.ts";
import type { TunedConfiguration } from "../../src/formats/kernel-tuner/tuned-space.ts";
import { tunedRecording } from "../../src/formats/kernel-tuner/tuned-recording.ts";

/** One of Kernel Tuner's cache files as both sides of the comparison see it; configurations go by their place in the file. */
export interface BenchSpace {
  /** Folder and file, as `strategies.py` names it. */
  readonly name: string;
  readonly configurations: readonly TunedConfiguration[];
  /** Kernel Tuner's own figure, which its strategies are shown; undefined for failures. */
  readonly timesMs: readonly (number | undefined)[];
  /** As a recording whose runtimes are these figures. */
  readonly recording: Recording;
  readonly task: Task;
  readonly device: string;
  readonly kernels: readonly Kernel[];
}

/** Reads a cache file. Throws `KernelcastError("recording", …)`. */
export async function readBenchSpace(path: string): Promise<BenchSpace> {
  const space = await readTunedSpace(path);
  const { recording } = tunedRecording(path, [space], { runtime: "tuner" });
  const [recorded] = [...recording.tasks.values()];
  const [device] = recording.devices;
  if (!recorded || device === undefined) throw new Error(`${path}: there is nothing in it`);
  const kernels = recording.kernels(recorded.task.taskId).map(({ kernel }) => kernel);
  const { configurations } = space;
  if (kernels.length !== configurations.length) throw new Error(`${path}: a configuration is there twice`);
  const file = basename(path).replace(/(\.json)?(\.gz)?$/, "");
  return {
    name: `${basename(dirname(resolve(path)))}/${file}`,
    configurations,
    timesMs: configurations.map(({ outcome }) => (outcome.status === "ok" ? outcome.timeMs : undefined)),
    recording,
    task: recorded.task,
    device,
    kernels,
  };
}
