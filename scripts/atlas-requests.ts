/**
 * `npx tsx scripts/atlas-requests.ts --pass 1 --out requests.jsonl [--tasks a,b] [--seed 1]`: expands the generators and
 * writes one pass of worker requests, for `python3 -m kernelcast_worker < requests.jsonl > responses.jsonl`.
 *
 * Of all kernels by default; else of those that one of these chooses:
 *   --limit N               a keyed sample of N of each task, for trials
 *   --sample N              N in all for a second device: as many of each task, spread over the runtimes on the first one
 *   --confirm-over 0.03     those whose two passes differ by more, for the third pass (--pass is 3 then)
 *   --unmeasured            those that --device has not measured
 * The last three look at `--recording atlas [--device H100]`, or at worker output: `--pass1 FILE… --pass2 FILE…`.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { KernelcastError, keyedShuffle, mainDevice, type Kernel, type Recording } from "../src/domain/index.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { makeRecording } from "../src/formats/make-recording.ts";
import { stratifiedSample, unconfirmedKernels } from "../src/formats/select-kernels.ts";
import { workerRequests, type TaskKernels } from "../src/formats/worker-requests.ts";
import { collectRuns } from "../src/formats/worker-responses.ts";
import { findDevice } from "../src/measure/recorded-device.ts";
import { expandAtlas } from "./atlas-tasks.ts";
import { passOptions, readPassFiles } from "./pass-files.ts";

const { values, tokens } = parseArgs({
  allowPositionals: true,
  tokens: true,
  options: {
    ...passOptions,
    pass: { type: "string" },
    out: { type: "string", default: "requests.jsonl" },
    tasks: { type: "string", default: "" },
    limit: { type: "string" },
    sample: { type: "string" },
    "confirm-over": { type: "string" },
    unmeasured: { type: "boolean", default: false },
    recording: { type: "string", default: "atlas" },
    device: { type: "string" },
    seed: { type: "string", default: "1" },
    "gpu-s": { type: "string" },
    "timeout-s": { type: "string" },
  },
});

const confirmOver = values["confirm-over"];
const names = values.tasks.split(",").filter((name) => name !== "");
const expanded = (await expandAtlas(names)).map(({ task, kernels }): TaskKernels => ({
  task,
  kernels: kernels.map(({ kernel }) => kernel),
}));
const groups = await chosen();
const limits = {
  ...(values["gpu-s"] ? { gpuS: number("gpu-s") } : {}),
  ...(values["timeout-s"] ? { timeoutS: number("timeout-s") } : {}),
};
const requests = [
  ...workerRequests(groups, {
    pass: values.pass === undefined ? (confirmOver === undefined ? 1 : 3) : number("pass"),
    seed: number("seed"),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  }),
];
writeFileSync(values.out, requests.map((request) => `${JSON.stringify(request)}\n`).join(""));
for (const { task, kernels } of groups) console.log(`${task.taskId}\t${kernels.length}`);
const total = groups.reduce((sum, { kernels }) => sum + kernels.length, 0);
console.log(`${total} kernels of ${groups.length} tasks, ${requests.length} requests in ${values.out}`);

function number(name: "pass" | "seed" | "limit" | "sample" | "confirm-over" | "gpu-s" | "timeout-s"): number {
  const value = Number(values[name]);
  if (Number.isFinite(value)) return value;
  throw new KernelcastError("usage", `--${name} ${values[name]}: not a number`);
}

async function chosen(): Promise<TaskKernels[]> {
  if (values.limit !== undefined) {
    return expanded.map(({ task, kernels }) => ({ task, kernels: limited(kernels, number("limit")) }));
  }
  if (values.sample === undefined && confirmOver === undefined && !values.unmeasured) return expanded;
  const recording = await measuredSoFar();
  const device = values.device === undefined ? mainDevice(recording) : findDevice(recording, values.device);
  const wanted = wantedIds(recording, device ?? "");
  const made = new Set(expanded.flatMap(({ kernels }) => kernels.map(({ kernelId }) => kernelId)));
  const strangers = values.unmeasured ? 0 : [...wanted].filter((kernelId) => !made.has(kernelId)).length;
  if (strangers > 0) console.log(`${strangers} kernels are left out: no generator of these tasks makes them any more`);
  return expanded
    .map(({ task, kernels }) => ({ task, kernels: kernels.filter(({ kernelId }) => wanted.has(kernelId)) }))
    .filter(({ kernels }) => kernels.length > 0);
}

function wantedIds(recording: Recording, device: string): Set<string> {
  const ofTask = (taskId: string) => recording.measurements(taskId, device);
  if (values.sample !== undefined) {
    const options = { count: number("sample"), seed: number("seed"), device };
    return new Set([...stratifiedSample(recording, options).values()].flat());
  }
  if (confirmOver !== undefined) {
    const measurements = [...recording.tasks.keys()].flatMap((taskId) => [...ofTask(taskId).values()]);
    return new Set(unconfirmedKernels(measurements, number("confirm-over")));
  }
  const unmeasured = ({ task, kernels }: TaskKernels): string[] =>
    kernels.map(({ kernelId }) => kernelId).filter((kernelId) => !ofTask(task.taskId).has(kernelId));
  return new Set(expanded.flatMap(unmeasured));
}

/** The recording, or what worker output says of the generators' kernels. */
async function measuredSoFar(): Promise<Recording> {
  const runs = await readPassFiles(tokens);
  if (runs.length === 0) {
    const whole = await loadRecording(values.recording);
    if (names.length === 0) return whole;
    return { ...whole, tasks: new Map([...whole.tasks].filter(([taskId]) => names.includes(taskId))) };
  }
  const kernels = expanded.flatMap(({ task, kernels: ofTask }) =>
    ofTask.map((kernel) => ({ kernel, taskId: task.taskId, parentId: null })),
  );
  const known = new Set(kernels.map(({ kernel }) => kernel.kernelId));
  return makeRecording({
    name: "the worker output",
    tasks: expanded.map(({ task: { seedKernel: _seedKernel, ...task } }) => task),
    kernels,
    measurements: collectRuns(runs).measurements.filter(({ kernelId }) => known.has(kernelId)),
  });
}

/** A keyed sample for trials; the seed kernel, which comes first, is always in it. */
function limited(kernels: readonly Kernel[], count: number): readonly Kernel[] {
  const [first, ...rest] = kernels;
  return first ? [first, ...keyedShuffle(rest, 1, "limit").slice(0, count - 1)] : [];
}
