import { createPolicy, type PolicyName } from "../../decide/policies.ts";
import {
  keyedUniform,
  KernelcastError,
  recordedRuntimeUs,
  suggestion,
  type Anchor,
  type Kernel,
  type RecordedMeasurement,
  type Recording,
  type RunStore,
  type Task,
} from "../../domain/index.ts";
import { findDevice } from "../../measure/recorded-device.ts";
import { loadAnchor } from "../../search/catalog.ts";
import type { SearchConfig } from "../../search/events.ts";
import { replayRun } from "../../search/replay.ts";
import { parseSpecification } from "../specification.ts";
import { openWorkspace } from "../workspace.ts";
import { loadTaskOf, type ForecastDevice } from "./device.ts";
import { readOne, type KernelReader } from "./kernels.ts";

/** A measured kernel by the name that the user knows it by: a file, `seed`, or its id. */
export interface NamedAnchor {
  readonly name: string;
  readonly anchor: Anchor;
}

export interface AnchorChoice {
  /** `FILE.cu=TIME` or `seed=TIME`. */
  readonly given: readonly string[];
  /** `recorded:PATH[#DEVICE]` or `run:NAME`; by default the device's recording, unless some are given. */
  readonly source?: string | undefined;
  readonly workspace: string;
  /** Most anchors of a source. */
  readonly count: number;
  /** Candidates are no anchors: their times are what is asked. */
  readonly candidateIds: ReadonlySet<string>;
}

/**
 * The measured kernels that forecasts are relative to, the fastest first. Throws `KernelcastError("task", …)` that says how to
 * get the seed's time where there is none.
 */
export async function chooseAnchors(
  choice: AnchorChoice,
  device: ForecastDevice,
  reader: KernelReader,
): Promise<NamedAnchor[]> {
  const { task } = reader;
  const given: NamedAnchor[] = [];
  for (const text of choice.given) given.push(await givenAnchor(text, device, reader));
  const all = [...given, ...(await sourceAnchors(choice, device, task))];
  const unique = [...new Map(all.toReversed().map((one) => [one.anchor.kernel.kernelId, one])).values()];
  if (unique.length > 0) return unique.sort((a, b) => microseconds(a) - microseconds(b));
  throw new KernelcastError(
    "task",
    `no measured kernel of ${task.taskId} is known on ${device.info.name}, and forecasts are relative to one; give the seed's time with --anchor seed=TIMEus (kernelcast measure ${task.taskId} --device local tells it)`,
  );
}

export function microseconds({ anchor }: NamedAnchor): number {
  return anchor.measurement.runtime.medianUs;
}

const units: Readonly<Record<string, number>> = { us: 1, µs: 1, μs: 1, ms: 1000, s: 1e6, "": 1 };

async function givenAnchor(text: string, device: ForecastDevice, reader: KernelReader): Promise<NamedAnchor> {
  const match = /^(.+)=\s*(\d*\.?\d+(?:[eE][+-]?\d+)?)\s*(us|µs|μs|ms|s|)\s*$/.exec(text);
  const us = match ? Number(match[2]) * (units[match[3] ?? ""] ?? 1) : Number.NaN;
  if (!match || !(us > 0 && us < Number.POSITIVE_INFINITY)) {
    throw new KernelcastError("usage", `--anchor ${text}: write FILE.cu=TIME or seed=TIME, for example seed=123.4us`);
  }
  const name = match[1] ?? "";
  const kernel = name === "seed" ? reader.task.seedKernel : (await readOne(name, reader)).kernel;
  return { name, anchor: toAnchor(kernel, device.info.name, us) };
}

/** An anchor whose time alone is known. */
function toAnchor(kernel: Kernel, device: string, us: number): Anchor {
  const runtime = { medianUs: us, p10Us: us, p90Us: us, n: 1, samplesUs: [] };
  const cost = { gpuSeconds: 0, cpuSeconds: 0 };
  return { kernel, measurement: { kernelId: kernel.kernelId, device, status: "ok", runtime, cost } };
}

async function sourceAnchors(choice: AnchorChoice, device: ForecastDevice, task: Task): Promise<NamedAnchor[]> {
  const { source, given } = choice;
  if (source === undefined && given.length > 0) return [];
  if (source === undefined)
    return choose(recordedAnchors(await ownRecording(device, task), device.info.name, task), choice, task);
  const { kind, detail } = parseSpecification("anchors", source, ["recorded", "run"]);
  if (kind === "run") return choose(runAnchors(detail, choice.workspace, task), choice, task);
  const [path = "", name] = detail.split("#", 2);
  const recording = await loadTaskOf(path === "" ? "atlas" : path, task.taskId);
  const found = recordedAnchors(recording, name === undefined ? device.info.name : findDevice(recording, name), task);
  if (found.length > 0) return choose(found, choice, task);
  throw new KernelcastError(
    "recording",
    `--anchors ${source}: no kernel of ${task.taskId} was measured on ${name ?? device.info.name} there (devices: ${recording.devices.join(", ") || "none"})`,
  );
}

/** A live device that the atlas was measured on too is served by it. */
function ownRecording({ recording }: ForecastDevice, { taskId }: Task): Recording | Promise<Recording> {
  return recording ?? loadTaskOf("atlas", taskId);
}

function recordedAnchors(recording: Recording, device: string, task: Task): Anchor[] {
  const measurements: ReadonlyMap<string, RecordedMeasurement> = recording.measurements(task.taskId, device);
  return recording.kernels(task.taskId).flatMap(({ kernel }) => {
    const measurement = measurements.get(kernel.kernelId);
    const us = measurement && recordedRuntimeUs(measurement);
    return us === undefined ? [] : [toAnchor(kernel, device, us)];
  });
}

function runAnchors(runId: string, folder: string, task: Task): Anchor[] {
  const { store } = openWorkspace(folder);
  try {
    return anchorsOfRun(store, runId, folder, task);
  } finally {
    store.close();
  }
}

function anchorsOfRun(store: RunStore, runId: string, folder: string, task: Task): Anchor[] {
  const run = store.run(runId);
  const known = store.runs().map((one) => one.runId);
  if (!run) {
    const has = known.length > 0 ? `it has: ${known.join(", ")}` : "it has none";
    throw new KernelcastError(
      "usage",
      `--anchors run:${runId}: no such run in ${folder} (${has})${suggestion(runId, known)}`,
    );
  }
  const { taskId, policy } = run.config as SearchConfig;
  if (taskId !== task.taskId) {
    throw new KernelcastError("usage", `--anchors run:${runId}: it is a run of ${taskId}, not of ${task.taskId}`);
  }
  const replayed = replayRun(store, runId, createPolicy(policy as PolicyName));
  return (replayed?.state.okIds ?? []).map((id) =>
    loadAnchor(store, (replayed as NonNullable<typeof replayed>).state, id),
  );
}

/** The seed, the fastest, and others at random but always the same; never a candidate, unless it is the seed. */
function choose(anchors: readonly Anchor[], { count, candidateIds }: AnchorChoice, task: Task): NamedAnchor[] {
  const seedId = task.seedKernel.kernelId;
  const isSeed = ({ kernel }: Anchor): boolean => kernel.kernelId === seedId;
  const allowed = anchors.filter((anchor) => isSeed(anchor) || !candidateIds.has(anchor.kernel.kernelId));
  const fastest = allowed.toSorted((a, b) => a.measurement.runtime.medianUs - b.measurement.runtime.medianUs)[0];
  const first = [...allowed.filter(isSeed), ...(fastest && !isSeed(fastest) ? [fastest] : [])];
  const draw = ({ kernel }: Anchor): number => keyedUniform("forecast-anchors", kernel.kernelId);
  const others = allowed.filter((anchor) => !first.includes(anchor)).sort((a, b) => draw(a) - draw(b));
  return [...first, ...others].slice(0, count).map((anchor) => ({
    name: isSeed(anchor) ? "seed" : anchor.kernel.kernelId,
    anchor,
  }));
}
