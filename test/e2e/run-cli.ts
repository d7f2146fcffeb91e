import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
export const cli: string = `${root}bin/kernelcast.js`;
export const fixtures: string = fileURLToPath(new URL("./fixtures/", import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliRun {
  readonly child: ChildProcess;
  readonly result: Promise<CliResult>;
}

/** Whether the real worker can run here with its fake driver. */
export const hasWorkerPython: boolean = spawnSync("python3", ["-c", "import numpy"]).status === 0;

/** A folder of a test file; `remove` it at the end. */
export function scratchFolder(name: string): { readonly path: string; readonly next: () => string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `kernelcast-${name}-`));
  let count = 0;
  return {
    path,
    next: () => join(path, String(count++)),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** A copy of the fixture task in `folder`, changed by `edit`; gives the task's folder. */
export function copyTask(folder: string, edit: (taskFolder: string) => void = () => undefined): string {
  const target = join(folder, "scale-vector");
  cpSync(join(fixtures, "scale-vector"), target, { recursive: true });
  edit(target);
  return target;
}

/** Replaces text that must be there. */
export function replaceIn(path: string, from: string, to: string): void {
  const text = readFileSync(path, "utf8");
  if (!text.includes(from)) throw new Error(`${path} does not hold ${from}`);
  writeFileSync(path, text.replace(from, to));
}

/** The lines of standard error that say what went wrong; the others show progress. */
export function faultLines({ stderr }: CliResult): string[] {
  return stderr.split("\n").filter((line) => line.startsWith("kernelcast: ") || /^\s+at |Error:|Traceback/.test(line));
}

/** Starts the real program as a user would. */
export function startCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): CliRun {
  const child = spawn(process.execPath, [cli, ...args], {
    env: { ...process.env, KERNELCAST_WORKER_ARGS: "--fake ok", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const result = new Promise<CliResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, result };
}

/** Runs the program to its end. */
export function runCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CliResult> {
  return startCli(args, env).result;
}
