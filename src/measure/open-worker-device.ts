import { availableParallelism } from "node:os";
import { KernelcastError } from "../domain/index.ts";
import { commandWorker } from "./command.ts";
import { localWorker } from "./local.ts";
import { splitWords } from "../process/shell-words.ts";
import { sshWorker } from "./ssh.ts";
import { WorkerDevice, type WorkerDeviceOptions } from "./worker-device.ts";
import type { WorkerCommand } from "./worker-life.ts";
import { packWorker } from "./worker-package.ts";

/** The kinds of `--device kind:detail` that a worker serves. */
export const workerDeviceKinds = ["local", "ssh", "command"] as const;

export type WorkerDeviceKind = (typeof workerDeviceKinds)[number];

export interface OpenWorkerDeviceOptions extends Partial<Omit<WorkerDeviceOptions, "name">> {
  readonly kind: WorkerDeviceKind;
  /** `local`: index of the GPU, or empty; `ssh`: the host; `command`: the launcher's words. */
  readonly detail: string;
  /** The Python on the machine of the GPU; default `KERNELCAST_PYTHON`, else `python3`. */
  readonly python?: string | undefined;
  /** Compile processes there; default all cores. */
  readonly jobs?: number | undefined;
  /** Further flags of the worker, after those of `KERNELCAST_WORKER_ARGS`. */
  readonly workerArgs?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** Cores assumed of a machine that has not been asked; more kernels than this are not queued ahead twice over. */
const assumedRemoteJobs = 16;
const mostLookAhead = 32;
const defaultSilenceMs = 600_000;
/** By kind: a link that broke is given time before the next start; a launcher may queue for a machine before its worker speaks. */
const patience: Readonly<Record<WorkerDeviceKind, Pick<WorkerDeviceOptions, "backOffMs" | "helloTimeoutMs">>> = {
  local: { backOffMs: 250, helloTimeoutMs: 60_000 },
  ssh: { backOffMs: 5000, helloTimeoutMs: 120_000 },
  command: { backOffMs: 5000, helloTimeoutMs: 24 * 3_600_000 },
};

/**
 * A live device; its worker starts with the first call. Throws `KernelcastError("usage", …)` for a detail that makes no sense
 * and `KernelcastError("device", …)` when the package's own files are missing.
 */
export async function openWorkerDevice(options: OpenWorkerDeviceOptions): Promise<WorkerDevice> {
  const { kind, detail, jobs, lookAhead } = options;
  const command = await workerCommand(options);
  const cores = jobs ?? (kind === "local" ? availableParallelism() : assumedRemoteJobs);
  return new WorkerDevice(command, {
    silenceMs: defaultSilenceMs,
    ...patience[kind],
    ...options,
    name: detail === "" ? kind : `${kind}:${detail}`,
    lookAhead: lookAhead ?? Math.min(mostLookAhead, Math.max(2, 2 * cores)),
  });
}

async function workerCommand(options: OpenWorkerDeviceOptions): Promise<WorkerCommand> {
  const { kind, detail } = options;
  const env = options.env ?? process.env;
  const python = options.python ?? env["KERNELCAST_PYTHON"] ?? "python3";
  const args = workerArgs(options, env);
  if (kind === "local") return localWorker(python, [...deviceIndex(detail), ...args], env);
  const pack = await packWorker();
  return kind === "ssh" ? sshWorker(detail, pack, python, args, env) : commandWorker(detail, pack, python, args, env);
}

function workerArgs(options: OpenWorkerDeviceOptions, env: NodeJS.ProcessEnv): string[] {
  const jobs = options.jobs === undefined ? [] : ["--jobs", String(options.jobs)];
  return [...jobs, ...splitWords(env["KERNELCAST_WORKER_ARGS"] ?? ""), ...(options.workerArgs ?? [])];
}

function deviceIndex(detail: string): string[] {
  if (detail === "") return [];
  if (!/^\d+$/.test(detail)) {
    throw new KernelcastError("usage", `"local:${detail}": write local, or local:INDEX with the index of a GPU`);
  }
  return ["--device", detail];
}
