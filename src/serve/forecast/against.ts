import { KernelcastError, recordedRuntimeUs, type ForecastAnswer } from "../../domain/index.ts";
import { microseconds, type NamedAnchor } from "./anchors.ts";
import type { Reference } from "./compare.ts";
import type { ForecastDevice } from "./device.ts";
import { readOne, type KernelReader, type NamedKernel } from "./kernels.ts";

/** What candidates are compared with; its runtime in µs is undefined where it must be forecast too. */
export type Against = NamedKernel & { readonly us: number | undefined };

/**
 * Finds `seed`, `best`, the name of an anchor, the id of a recorded kernel, or a file. By default the seed, and where its
 * time is not known, the fastest anchor. Throws one line for a file that cannot be read.
 */
export async function chooseAgainst(
  wanted: string | undefined,
  anchors: readonly NamedAnchor[],
  device: ForecastDevice,
  reader: KernelReader,
): Promise<Against> {
  if (wanted === undefined || wanted === "best" || wanted === "seed") return wellKnown(wanted, anchors, reader);
  const named = anchors.find(({ name, anchor }) => name === wanted || anchor.kernel.kernelId === wanted);
  if (named) return measured(named);
  const recorded = recordedKernel(wanted, device, reader);
  if (recorded) return recorded;
  const { kernel, name } = await readOne(wanted, reader);
  const same = anchors.find(({ anchor }) => anchor.kernel.kernelId === kernel.kernelId);
  const known = same ? measured(same) : recordedKernel(kernel.kernelId, device, reader);
  return { name, kernel, us: known?.us };
}

function wellKnown(
  wanted: "best" | "seed" | undefined,
  anchors: readonly NamedAnchor[],
  { task: { seedKernel } }: KernelReader,
): Against {
  const [fastest] = anchors;
  const seed = anchors.find(({ anchor }) => anchor.kernel.kernelId === seedKernel.kernelId);
  const one = wanted === "best" ? fastest : (seed ?? (wanted === undefined ? fastest : undefined));
  return one ? measured(one) : { name: "seed", kernel: seedKernel, us: undefined };
}

function measured(one: NamedAnchor): Against {
  return { name: one.name, kernel: one.anchor.kernel, us: microseconds(one) };
}

function recordedKernel(kernelId: string, device: ForecastDevice, { task }: KernelReader): Against | undefined {
  const { recording, info } = device;
  const found = recording?.kernels(task.taskId).find(({ kernel }) => kernel.kernelId === kernelId);
  if (!recording || !found) return undefined;
  const measurement = recording.measurements(task.taskId, info.name).get(kernelId);
  return { name: kernelId, kernel: found.kernel, us: measurement && recordedRuntimeUs(measurement) };
}

/** Throws `KernelcastError("model", …)` where the kernel that all are compared with was not forecast. */
export function referenceOf({ name, kernel, us }: Against, { forecasts }: ForecastAnswer): Reference {
  if (us !== undefined) return { measured: true, us };
  const forecast = forecasts.find(({ kernelId }) => kernelId === kernel.kernelId);
  if (forecast) return { measured: false, forecast };
  throw new KernelcastError(
    "model",
    `--against ${name}: it is not measured and there is no forecast of it; compare with another kernel`,
  );
}
