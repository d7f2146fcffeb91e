import { KernelcastError, mainDevice, type Recording } from "../../domain/index.ts";
import { withSeedsFor } from "../../formats/choose-seed.ts";
import { loadRecording } from "../../formats/load-recording.ts";
import { findDevice } from "../../measure/recorded-device.ts";

/** A recording as searches on one of its devices see it. */
export interface BenchRecording {
  readonly recording: Recording;
  readonly device: string;
}

/** Loads a recording, or some of its tasks; `device` is a device's name or part of it, by default the one that measured most. */
export async function loadBenchRecording(
  path: string,
  device: string | undefined,
  taskIds: readonly string[] | undefined,
): Promise<BenchRecording> {
  const loaded = await loadRecording(path, taskIds ? { tasks: taskIds } : {});
  const name = device === undefined ? mainDevice(loaded) : findDevice(loaded, device);
  if (name !== undefined) return { recording: withSeedsFor(loaded, name), device: name };
  throw new KernelcastError("recording", `${path}: the recording holds no measurements to search on`);
}
