import { statfs } from "node:fs/promises";
import { KernelcastError } from "../domain/index.ts";
import { openWorkerDevice, type OpenWorkerDeviceOptions } from "./open-worker-device.ts";
import { describeExit, startChild } from "../process/child.ts";
import { sshArgv } from "./ssh.ts";
import type { Greeting } from "./worker-client.ts";
import type { Description, WorkerDevice } from "./worker-device.ts";

/** One thing that measuring needs, and whether it is there. */
export interface DoctorCheck {
  readonly name: string;
  readonly ok: boolean;
  /** A check that may fail without harm: something slower, or absent that only some tasks need. */
  readonly optional: boolean;
  readonly detail: string;
  /** What to do, where `ok` is false. */
  readonly fix?: string;
}

export interface ExamineOptions extends OpenWorkerDeviceOptions {
  /** The folder that runs will be written to. */
  readonly workspace: string;
  /** Without the device's own controls, which hold it for some seconds. */
  readonly quick?: boolean;
  readonly nodeVersion?: string;
}

/** Checks of the worker that nothing depends on; whether the device can be used is seen when it is described. */
const optionalChecks: ReadonlySet<string> = new Set([
  "device",
  "torch",
  "processes",
  "other_processes",
  "other processes",
  "nvml",
]);
const leastFreeBytes = 1e9;

/**
 * Looks at everything that measuring on a live device needs, from here to the device, and stops where nothing further
 * can be seen. Never throws for something missing: that is a check that is not ok.
 */
export async function examine(options: ExamineOptions): Promise<readonly DoctorCheck[]> {
  const here = [checkNode(options.nodeVersion ?? process.versions.node), await checkDisk(options.workspace)];
  if (options.kind === "ssh") {
    const reachable = await checkSsh(options);
    here.push(reachable);
    if (!reachable.ok) return here;
  }
  return [...here, ...(await examineWorker(options))];
}

function checkNode(version: string): DoctorCheck {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return required("node", ok, `v${version}`, "install Node.js 20.19 or later");
}

async function checkDisk(folder: string): Promise<DoctorCheck> {
  try {
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    return required(
      "disk here",
      free >= leastFreeBytes,
      `${(free / 1e9).toFixed(1)} GB free`,
      `free some space in ${folder}`,
    );
  } catch (error) {
    return required("disk here", false, oneLine(error), `make sure that ${folder} exists and can be read`);
  }
}

async function checkSsh({ detail, env }: ExamineOptions): Promise<DoctorCheck> {
  const fix = `make \`ssh -o BatchMode=yes ${detail} true\` work: a key or an agent, and the host known`;
  try {
    const child = startChild({ argv: sshArgv(detail, "true"), ...(env ? { env } : {}) });
    child.endInput();
    child.stdout.resume();
    const exit = await child.exited;
    const ok = exit.kind === "exited" && exit.code === 0;
    return required("ssh", ok, ok ? `${detail} answers` : child.stderrTail().trim() || describeExit(exit), fix);
  } catch (error) {
    return required("ssh", false, oneLine(error), fix);
  }
}

async function examineWorker(options: ExamineOptions): Promise<DoctorCheck[]> {
  let device: WorkerDevice | undefined;
  try {
    device = await openWorkerDevice(options);
    const greeting = await device.greet();
    const checks = [required("worker", true, greeting.worker_version ?? "started", ""), ...workerChecks(greeting)];
    const usable = checks.every(({ ok, optional }) => ok || optional);
    return usable && !options.quick ? [...checks, ...(await examineDevice(device))] : checks;
  } catch (error) {
    return [required("worker", false, oneLine(error), startFix(options))];
  } finally {
    await device?.close();
  }
}

function startFix({ kind, python }: ExamineOptions): string {
  const program = python ?? "python3";
  if (kind === "local") return `install Python 3.9 or later as ${program}, or name one with --python`;
  return `make sure that ${program} there is Python 3.9 or later, or name one with --python`;
}

function workerChecks(greeting: Greeting): DoctorCheck[] {
  return (greeting.checks ?? []).map(({ name, ok, detail, fix }) => ({
    name,
    ok,
    optional: optionalChecks.has(name),
    detail: detail ?? "",
    ...(!ok && fix ? { fix } : {}),
  }));
}

async function examineDevice(device: WorkerDevice): Promise<DoctorCheck[]> {
  try {
    const details = await device.details();
    return [describeCheck(details), ...controlChecks(details)];
  } catch (error) {
    const fix = "see that nothing else uses the GPU and that its clocks are steady; --quick leaves the controls out";
    return [required("controls", false, oneLine(error), fix)];
  }
}

function describeCheck({ device }: Description): DoctorCheck {
  const bandwidth = `${(device.bandwidth / 1e12).toFixed(2)} TB/s`;
  return required("measured", true, `${device.name}: ${bandwidth}, launch floor ${device.launch_floor_us} µs`, "");
}

function controlChecks({ controls }: Description): DoctorCheck[] {
  return (controls ?? []).map(({ name, ok, detail, expected, got }) =>
    required(
      `control ${name}`,
      ok,
      detail ?? `expected ${show(expected)}, got ${show(got)}`,
      "the device's timings cannot be trusted",
    ),
  );
}

function show(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
}

function required(name: string, ok: boolean, detail: string, fix: string): DoctorCheck {
  return { name, ok, optional: false, detail, ...(ok || fix === "" ? {} : { fix }) };
}

function oneLine(error: unknown): string {
  if (KernelcastError.isInstance(error)) return error.message;
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
