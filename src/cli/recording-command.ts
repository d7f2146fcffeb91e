import { checkRecording, type Finding } from "../formats/check-recording.ts";
import { atlasRequirements } from "../formats/check-requirements.ts";
import { loadRecording } from "../formats/load-recording.ts";
import { mergeRecordingFolders } from "../formats/merge-recordings.ts";
import { recordingInfo, type PassAgreement, type RecordingInfo } from "../formats/recording-info.ts";
import { printJson, printLine, type CliContext } from "./context.ts";

export interface InfoFlags {
  readonly json: boolean;
}

export interface CheckFlags extends InfoFlags {
  readonly requirements?: "none" | "atlas";
}

export interface MergeFlags extends InfoFlags {
  readonly out: string;
}

/** `kernelcast recording info`. */
export async function info(this: CliContext, flags: InfoFlags, path: string): Promise<void> {
  const counts = recordingInfo(await loadRecording(path));
  if (flags.json) printJson(this, infoDocument(counts));
  else for (const line of infoLines(counts)) printLine(this, line);
}

function infoDocument({ byTask, devices, mainDevice, ...counts }: RecordingInfo): unknown {
  const deviceEntries = Object.entries(devices).map(([name, { passes, ...verdicts }]) => [
    name,
    { ...verdicts, passes: passesDocument(passes) },
  ]);
  return {
    ...counts,
    main_device: mainDevice,
    devices: Object.fromEntries(deviceEntries) as unknown,
    by_task: byTask.map((task) => ({
      task_id: task.taskId,
      family: task.family,
      split: task.split,
      kernels: task.kernels,
      measured: task.measured,
      ok: task.ok,
      failed: task.failed,
      templates: task.templates,
      constant_share: task.constantShare,
      depth: task.depth,
      seed_us: task.seedUs,
      best_us: task.bestUs,
      worst_us: task.worstUs,
    })),
  };
}

function passesDocument(passes: PassAgreement): unknown {
  return {
    kernels: passes.kernels,
    median_disagreement: passes.median,
    p90_disagreement: passes.p90,
    over_3_percent: passes.over3Percent,
    third_passes: passes.thirdPasses,
    unconfirmed: passes.unconfirmed,
  };
}

function infoLines({ byTask, devices, splits, forecasts, ...counts }: RecordingInfo): readonly string[] {
  const verdicts = `${counts.measured} measured (${counts.ok} ok, ${counts.failed} failed)`;
  return [
    `${counts.tasks} tasks in ${counts.families} families, ${counts.kernels} kernels, ${verdicts}`,
    ...Object.entries(devices).map(
      ([name, device]) => `${name}: ${device.measured} measured, ${agreement(device.passes)}`,
    ),
    ...Object.entries(forecasts).map(
      ([name, count]) => `${name}: ${count.forecasts} forecasts of ${count.kernels} kernels`,
    ),
    ...Object.entries(splits).map(
      ([name, split]) => `${name}: ${split.tasks} tasks, ${split.families} families, ${split.kernels} kernels`,
    ),
    "",
    ["task", "split", "kernels", "ok", "templates", "depth", "seed µs", "best µs", "worst µs"].join("\t"),
    ...byTask.map((task) =>
      [
        task.taskId,
        task.split ?? "-",
        task.kernels,
        task.ok,
        task.templates,
        task.depth,
        micros(task.seedUs),
        micros(task.bestUs),
        micros(task.worstUs),
      ].join("\t"),
    ),
  ];
}

function agreement({ kernels, median, over3Percent, thirdPasses, unconfirmed }: PassAgreement): string {
  if (median === null) return "one pass";
  const all = `two passes of ${kernels} kernels differ by ${(100 * median).toFixed(2)} % at the median, ${over3Percent} by more than 3 %`;
  return `${all} (${thirdPasses} measured a third time, ${unconfirmed} not confirmed)`;
}

function micros(value: number | null): string {
  return value === null ? "-" : value.toFixed(1);
}

/** `kernelcast recording check`. */
export async function check(this: CliContext, flags: CheckFlags, path: string): Promise<void> {
  const recording = await loadRecording(path);
  const held = flags.requirements ?? (path === "atlas" ? "atlas" : "none");
  const findings = checkRecording(recording, held === "atlas" ? { requirements: atlasRequirements } : {});
  const errors = findings.filter(({ severity }) => severity === "error").length;
  if (flags.json) printJson(this, { recording: path, errors, warnings: findings.length - errors, findings });
  else for (const line of checkLines(path, findings, errors)) printLine(this, line);
  if (errors > 0) this.process.exitCode = 1;
}

function checkLines(path: string, findings: readonly Finding[], errors: number): readonly string[] {
  const lines = findings.map(
    ({ severity, rule, taskId, message }) =>
      `${severity} ${rule}${taskId === undefined ? "" : ` [${taskId}]`}: ${message}`,
  );
  return [...lines, `${path}: ${errors} errors, ${findings.length - errors} warnings`];
}

/** `kernelcast recording merge`. */
export async function merge(this: CliContext, flags: MergeFlags, ...paths: string[]): Promise<void> {
  const report = await mergeRecordingFolders(paths, flags.out);
  if (flags.json) printJson(this, { out: flags.out, ...report });
  else
    printLine(
      this,
      `${flags.out}: ${report.tasks} tasks, ${report.kernels} kernels, ${report.measurements} measurements`,
    );
}
