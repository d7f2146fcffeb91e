import {
  KernelcastError,
  mainDevice,
  suggestion,
  type Device,
  type DeviceInfo,
  type Recording,
} from "../../domain/index.ts";
import { withSeedsFor } from "../../formats/choose-seed.ts";
import { loadRecording } from "../../formats/load-recording.ts";
import { workerDeviceKinds } from "../../measure/open-worker-device.ts";
import { findDevice } from "../../measure/recorded-device.ts";
import { recordedDeviceInfo } from "../../measure/recorded-device-figures.ts";
import { openDevice, type OpenDeviceOptions } from "../open-device.ts";

/** A device that is forecast for. Nothing is measured on it. */
export interface ForecastDevice {
  readonly info: DeviceInfo;
  /** The recording behind it, where there is one; it need not know the task. */
  readonly recording: Recording | undefined;
  /** Where kernels can be compiled; undefined for a recorded device. */
  readonly live: Device | undefined;
}

/**
 * Opens `recorded:PATH[#DEVICE]`, a device of the atlas by its name or a part of it (`H200`), or a live device, which is only
 * asked what it is. Throws `KernelcastError`.
 */
export async function openForecastDevice(
  text: string,
  taskId: string,
  options: Omit<OpenDeviceOptions, "taskIds">,
): Promise<ForecastDevice> {
  const [kind = ""] = text.split(":", 1);
  if (kind === "recorded") {
    const [path = "", name] = text.slice("recorded:".length).split("#", 2);
    return recorded(path === "" ? "atlas" : path, name, taskId);
  }
  if (!text.includes(":") && !workerDeviceKinds.some((known) => known === kind)) return ofAtlas(text, taskId);
  const { device } = await openDevice(text, options);
  try {
    return { info: await device.describe(), recording: undefined, live: device };
  } catch (cause) {
    await device.close();
    throw cause;
  }
}

async function ofAtlas(name: string, taskId: string): Promise<ForecastDevice> {
  try {
    return await recorded("atlas", name, taskId);
  } catch (cause) {
    if (!KernelcastError.isInstance(cause) || cause.code !== "device") throw cause;
    const kinds = ["recorded:PATH", ...workerDeviceKinds];
    throw new KernelcastError(
      "usage",
      `--device ${name}: neither ${kinds.join(", ")} nor a device of the atlas${suggestion(name, kinds)} (${cause.message})`,
      { cause },
    );
  }
}

async function recorded(path: string, wanted: string | undefined, taskId: string): Promise<ForecastDevice> {
  const recording = await loadTaskOf(path, taskId);
  const name = wanted === undefined ? (mainDevice(recording) ?? recording.devices[0]) : findDevice(recording, wanted);
  if (name === undefined) throw new KernelcastError("device", `${path}: the recording says nothing of a device`);
  return { info: recordedDeviceInfo(recording, name), recording: withSeedsFor(recording, name), live: undefined };
}

/** What a recording knows of a task; its devices alone where it does not know the task. */
export async function loadTaskOf(path: string, taskId: string): Promise<Recording> {
  try {
    return await loadRecording(path, { tasks: [taskId] });
  } catch (cause) {
    if (!KernelcastError.isInstance(cause) || cause.code !== "task") throw cause;
    return loadRecording(path, { tasks: [] });
  }
}
