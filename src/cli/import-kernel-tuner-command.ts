import { KernelcastError, type Recording } from "../domain/index.ts";
import { holdsRecording } from "../formats/add-to-recording.ts";
import { readTunedSpace } from "../formats/kernel-tuner/read-tuned-space.ts";
import { tunedRecording } from "../formats/kernel-tuner/tuned-recording.ts";
import { readLaunches } from "../formats/read-launches.ts";
import { readText } from "../formats/read-text.ts";
import { writeRecording } from "../formats/write-recording.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";

export interface ImportKernelTunerFlags {
  readonly out: string;
  readonly source: readonly string[];
  readonly launches?: string;
  readonly task?: string;
  readonly device?: string;
  readonly runtime: "median" | "tuner";
  readonly json: boolean;
}

/** `kernelcast import kernel-tuner`. */
export async function importKernelTuner(
  this: CliContext,
  flags: ImportKernelTunerFlags,
  ...paths: string[]
): Promise<void> {
  const { out, task, device, runtime } = flags;
  if (await holdsRecording(out)) {
    throw new KernelcastError("usage", `--out ${out}: it holds a recording already; choose another folder`);
  }
  const from = this.process.cwd();
  const sources = await Promise.all(flags.source.map((path) => readText(path, { what: "source", from })));
  const launches = flags.launches === undefined ? undefined : await readLaunches(flags.launches, from);
  const spaces = [];
  for (const path of paths) spaces.push(await readTunedSpace(path));
  const { recording, notes } = tunedRecording(out, spaces, { taskId: task, device, sources, launches, runtime });
  await writeRecording(out, recording);
  for (const line of notes) note(this, line);
  const counts = taskCounts(recording);
  if (flags.json) printJson(this, { out, tasks: counts, notes });
  else for (const count of counts) printLine(this, countLine(out, count));
}

interface TaskCounts {
  readonly task_id: string;
  readonly kernels: number;
  readonly devices: Readonly<
    Record<string, { readonly measured: number; readonly ok: number; readonly failed: number }>
  >;
}

function taskCounts(recording: Recording): TaskCounts[] {
  return [...recording.tasks.keys()].map((taskId) => {
    const ofDevice = recording.devices.flatMap((device) => {
      const measured = [...recording.measurements(taskId, device).values()];
      const ok = measured.filter(({ status }) => status === "ok").length;
      const counts = { measured: measured.length, ok, failed: measured.length - ok };
      return measured.length === 0 ? [] : [[device, counts] as const];
    });
    return { task_id: taskId, kernels: recording.kernels(taskId).length, devices: Object.fromEntries(ofDevice) };
  });
}

function countLine(out: string, { task_id: taskId, kernels, devices }: TaskCounts): string {
  const each = Object.entries(devices).map(([name, { ok, failed }]) => `${name}: ${ok} ok, ${failed} failed`);
  return `${out}: ${taskId}: ${kernels} kernels (${each.join("; ")})`;
}
