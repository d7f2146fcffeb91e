import { readFile } from "node:fs/promises";
import { KernelcastError, sha256Hex, type DeviceInfo, type RecordedMeasurement } from "../domain/index.ts";
import {
  describeAnswerSchema,
  measureAnswerSchema,
  toDeviceInfo,
  toMeasurement,
  workerLineSchema,
  type MeasureAnswer,
} from "../measure/worker-messages.ts";
import { addUpMeasurements, type AddedMeasurements } from "./combine-measurements.ts";
import { describeIssue } from "./load-task.ts";
import type { Row } from "./parquet-table.ts";
import { asStored } from "./recording-rows.ts";
import { parseLine } from "./table-files.ts";

/** What a worker answered to one file of requests. */
export interface WorkerRun {
  /** Names the run: its pass and the start of its responses' SHA-256. */
  readonly run: string;
  readonly pass: number;
  readonly device?: DeviceInfo;
  readonly environment: Row;
  readonly controls: readonly Row[];
  readonly answers: readonly MeasureAnswer[];
  /** Requests that the worker refused. */
  readonly errors: readonly { readonly id: string; readonly code: string; readonly message: string }[];
}

/** Reads a worker's responses, one JSON document a line. A cut last line, left by a killed worker, is dropped. */
export async function readWorkerRun(path: string, pass: number): Promise<WorkerRun> {
  const text = await readFile(path, "utf8");
  return parseWorkerRun(text, pass, path);
}

/** As `readWorkerRun`; `name` is for messages. */
export function parseWorkerRun(text: string, pass: number, name: string): WorkerRun {
  const lines = text.split("\n");
  const cut = lines.pop();
  if (cut !== undefined && cut.trim().endsWith("}")) lines.push(cut);
  const run: Mutable<WorkerRun> = {
    run: `pass${pass}-${sha256Hex(text).slice(0, 12)}`,
    pass,
    environment: {},
    controls: [],
    answers: [],
    errors: [],
  };
  const answers: MeasureAnswer[] = [];
  const errors: WorkerRun["errors"][number][] = [];
  lines.forEach((line, index) => {
    if (line.trim() === "") return;
    const place = `${name}:${index + 1}`;
    const parsed = workerLineSchema.safeParse(parseLine(line, place));
    if (!parsed.success) throw new KernelcastError("recording", `${place}: not a line of the worker protocol`);
    if ("error" in parsed.data) errors.push({ id: parsed.data.id, ...parsed.data.error });
    if ("result" in parsed.data) readResult(parsed.data.result, place, run, answers);
  });
  return { ...run, answers: answers.map((answer) => nameDevice(answer, run)), errors };
}

/** A compile error may be answered before the device has said its name. */
function nameDevice(answer: MeasureAnswer, { device }: Pick<WorkerRun, "device">): MeasureAnswer {
  return answer.device === "" && device ? { ...answer, device: device.name } : answer;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readResult(result: unknown, place: string, run: Mutable<WorkerRun>, answers: MeasureAnswer[]): void {
  if (typeof result !== "object" || result === null) return;
  if ("status" in result) {
    const answer = measureAnswerSchema.safeParse(result);
    if (!answer.success) {
      throw new KernelcastError("recording", `${place}: not a measurement: ${describeIssue(answer.error.issues[0])}`);
    }
    answers.push(answer.data);
  } else if ("device" in result) {
    const description = describeAnswerSchema.parse(result);
    run.device = toDeviceInfo(description.device);
    run.environment = description.environment ?? {};
    run.controls = description.controls ?? [];
  }
}

/**
 * One measurement per kernel and device from runs in order of pass. Within a pass a later answer replaces an earlier one
 * (a kernel measured again on purpose); across passes they add up.
 */
export function collectRuns(runs: readonly WorkerRun[]): AddedMeasurements {
  const passes = [...new Set(runs.map(({ pass }) => pass))].sort((a, b) => a - b);
  return addUpMeasurements(passes.flatMap((pass) => [...latest(runs.filter((run) => run.pass === pass)).values()]));
}

function latest(runs: readonly WorkerRun[]): Map<string, RecordedMeasurement> {
  const measurements = new Map<string, RecordedMeasurement>();
  for (const answer of runs.flatMap(({ answers }) => answers)) {
    measurements.set(`${answer.kernel_id}\n${answer.device}`, toRecorded(answer));
  }
  return measurements;
}

/** A worker's answer as a measurement of a recording. */
function toRecorded(answer: MeasureAnswer): RecordedMeasurement {
  const measurement = toMeasurement(answer);
  return asStored({
    kernelId: measurement.kernelId,
    device: measurement.device,
    status: measurement.status,
    ...(measurement.status === "ok" ? { runtime: measurement.runtime } : { error: measurement.error }),
    ...(measurement.evidence ? { evidence: measurement.evidence } : {}),
    gpuMs: measurement.cost.gpuSeconds * 1000,
  });
}

/** The row of a run in `runs.jsonl`: who measured, on what, with which controls. */
export function toRunRow(run: WorkerRun): Row {
  const first = run.answers[0]?.receipt ?? {};
  const times = (name: string): string[] => run.answers.flatMap(({ receipt }) => textOf(receipt?.[name]) ?? []).sort();
  return {
    run: run.run,
    pass: run.pass,
    device: run.device?.name ?? run.answers[0]?.device,
    worker_version: first["worker_version"],
    worker_sha256: first["worker_sha256"],
    controls_ok: run.controls.every(({ ok }) => ok === true),
    controls: run.controls,
    environment: run.environment,
    l2_flush_bytes: first["l2_flush_bytes"],
    warmup_ms: first["warmup_ms"],
    kernels: run.answers.length,
    errors: run.errors.length,
    started_at: times("started_at")[0],
    finished_at: times("finished_at").at(-1),
  };
}

/** The rows of a run's receipts: what is not said elsewhere in the recording, checks that passed by name only. */
export function toReceiptRows(run: WorkerRun, taskOf: (kernelId: string) => string | undefined): Row[] {
  return run.answers.flatMap((answer) => {
    const receipt = answer.receipt;
    const taskId = taskOf(answer.kernel_id);
    if (!receipt || taskId === undefined) return [];
    return [
      {
        run: run.run,
        task_id: taskId,
        kernel_id: answer.kernel_id,
        mode: receipt["mode"],
        seeds_sha256: receipt["seeds_sha256"],
        input_sha256: receipt["input_sha256"],
        checks: reduceChecks(receipt["checks"]),
        floor_us: receipt["floor_us"],
        state: deviceState(receipt["environment_after"]),
        started_at: textOf(receipt["started_at"]),
      },
    ];
  });
}

function reduceChecks(checks: unknown): Row | undefined {
  if (!Array.isArray(checks)) return undefined;
  const passed: unknown[] = [];
  const failed: Record<string, unknown> = {};
  for (const check of checks as Row[]) {
    if (check["ok"] === true) passed.push(check["name"]);
    else failed[String(check["name"])] = check["detail"] ?? null;
  }
  return { passed, ...(Object.keys(failed).length > 0 ? { failed } : {}) };
}

/** What varies from kernel to kernel of the environment: clocks, temperature, power, throttling; not who the device is. */
function deviceState(environment: unknown): Row | undefined {
  if (typeof environment !== "object" || environment === null) return undefined;
  const varying = Object.entries(environment).filter(([, value]) => typeof value !== "string");
  return varying.length > 0 ? Object.fromEntries(varying) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}
