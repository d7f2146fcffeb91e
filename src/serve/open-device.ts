import type { Device, Recording } from "../domain/index.ts";
import { withSeedsFor } from "../formats/choose-seed.ts";
import { loadRecording } from "../formats/load-recording.ts";
import { openWorkerDevice, workerDeviceKinds, type WorkerDeviceKind } from "../measure/open-worker-device.ts";
import { recordedDevice } from "../measure/recorded-device.ts";
import { parseSpecification } from "./specification.ts";

/** A device with the recording behind it, where there is one. */
export interface OpenedDevice {
  readonly device: Device;
  readonly recording: Recording | undefined;
}

export interface OpenDeviceOptions {
  readonly python?: string | undefined;
  /** Tasks that are needed of a recording; the rest is not read. */
  readonly taskIds?: readonly string[];
  /** Keeps a receipt's text; see `WorkerDeviceOptions`. */
  readonly onReceipt?: (text: string) => void;
  /** One line for people: a worker that died, a warning of it. */
  readonly onNote?: (line: string) => void;
  readonly env?: NodeJS.ProcessEnv;
  /** What a kernel is that a recording has not measured; see `RecordedDeviceOptions`. */
  readonly unmeasured?: "throw" | "fail";
}

/** Kinds that `--device` takes. */
const deviceKinds: readonly string[] = ["recorded", ...workerDeviceKinds];

/** Opens `recorded:PATH[#DEVICE]`, `local[:INDEX]`, `ssh:HOST` or `command:WORDS`. */
export async function openDevice(text: string, options: OpenDeviceOptions = {}): Promise<OpenedDevice> {
  const { kind, detail } = parseSpecification("device", text, deviceKinds);
  if (kind === "recorded") return openRecorded(detail, options);
  const { onReceipt, onNote, python, env } = options;
  const device = await openWorkerDevice({
    kind: kind as WorkerDeviceKind,
    detail,
    ...(python === undefined ? {} : { python }),
    ...(onNote ? { onNote } : {}),
    ...(env ? { env } : {}),
    ...(onReceipt ? { onReceipt: (receipt) => onReceipt(receipt.text) } : {}),
  });
  return { device, recording: undefined };
}

async function openRecorded(
  detail: string,
  { taskIds, unmeasured = "throw" }: Pick<OpenDeviceOptions, "taskIds" | "unmeasured">,
): Promise<OpenedDevice> {
  const [path = "", deviceName] = detail.split("#", 2);
  const recording = await loadRecording(path === "" ? "atlas" : path, taskIds ? { tasks: taskIds } : {});
  const device = recordedDevice(recording, { unmeasured, ...(deviceName === undefined ? {} : { device: deviceName }) });
  const { name } = await device.describe();
  return { device, recording: withSeedsFor(recording, name) };
}
