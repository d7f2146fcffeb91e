import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";

export interface ChildOptions {
  /** The program and its arguments; no shell reads them. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Aborting terminates the whole process group. */
  readonly signal?: AbortSignal;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly graceMs?: number;
  /** How much of the end of standard error is kept, in characters. */
  readonly stderrCap?: number;
  readonly onStderr?: (text: string) => void;
}

/** How a process ended; `not_started`: the program could not be run at all. */
export type ChildExit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "killed"; readonly signal: NodeJS.Signals }
  | { readonly kind: "not_started"; readonly code: string; readonly reason: string };

/** A running program in a process group of its own, so that it ends together with everything it started. */
export interface Child {
  readonly stdout: Readable;
  /** Writes to standard input; silently dropped once the process is gone (`exited` tells). */
  readonly write: (text: string) => void;
  readonly endInput: () => void;
  /** The last lines of standard error. */
  readonly stderrTail: () => string;
  /** Resolves when the process has ended and its output has been read; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** SIGTERM to the group, SIGKILL after the grace period; resolves as `exited`. Idempotent. */
  readonly terminate: () => Promise<ChildExit>;
  /** Lets this program end while the child idles; the child then ends with it. */
  readonly unref: () => void;
}

type Spawned = ChildProcessByStdio<Writable, Readable, Readable>;

const liveGroups = new Set<number>();
/** Output pipes that a stray grandchild holds open are waited for this long after the group was killed. */
const drainMs = 1000;
const lastGraceMs = 300;

/** What is left when the program ends at once is asked to end, and made to. */
process.on("exit", () => {
  if (liveGroups.size === 0) return;
  for (const group of liveGroups) signalGroup(group, "SIGTERM");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lastGraceMs);
  for (const group of liveGroups) signalGroup(group, "SIGKILL");
});

/** Starts a program; a program that cannot be started is an `exited` of `not_started`, not an exception. */
export function startChild(options: ChildOptions): Child {
  const [program, ...args] = options.argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  child.stdin.on("error", () => undefined);
  const stderrTail = keepTail(child.stderr, options.stderrCap ?? 16_384, options.onStderr);
  const exited = whenExited(child);
  const terminate = terminator(child, exited, options.graceMs ?? 3000);
  followSignal(options.signal, terminate, exited);
  return {
    stdout: child.stdout,
    write: (text) => {
      if (child.stdin.writable) child.stdin.write(text);
    },
    endInput: () => child.stdin.end(),
    stderrTail,
    exited,
    terminate,
    unref: () => {
      child.unref();
      for (const pipe of child.stdio) if (pipe && "unref" in pipe) (pipe as Socket).unref();
    },
  };
}

/** One line on how a process ended. */
export function describeExit(exit: ChildExit): string {
  if (exit.kind === "exited") return `exited with code ${exit.code}`;
  return exit.kind === "killed" ? `was ended by ${exit.signal}` : `could not be started: ${exit.reason}`;
}

function keepTail(stream: Readable, cap: number, onText?: (text: string) => void): () => string {
  let tail = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    tail = (tail + text).slice(-cap);
    onText?.(text);
  });
  return () => tail;
}

function whenExited(child: Spawned): Promise<ChildExit> {
  const { pid } = child;
  if (pid !== undefined) liveGroups.add(pid);
  return new Promise((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (pid === undefined) resolve({ kind: "not_started", code: error.code ?? "", reason: startFault(error) });
    });
    child.once("exit", (code, signal) => {
      const exit: ChildExit = signal ? { kind: "killed", signal } : { kind: "exited", code: code ?? 0 };
      endGroup(pid);
      const drained = setTimeout(() => resolve(exit), drainMs);
      child.once("close", () => {
        clearTimeout(drained);
        resolve(exit);
      });
    });
  });
}

function startFault(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "no such program";
  return error.code === "EACCES" ? "permission denied" : error.message;
}

/** What the leader left behind must not outlive it. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  signalGroup(pid, "SIGKILL");
  liveGroups.delete(pid);
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already.
  }
}

function terminator(child: Spawned, exited: Promise<ChildExit>, graceMs: number): () => Promise<ChildExit> {
  let begun = false;
  return () => {
    const { pid } = child;
    if (!begun && pid !== undefined && child.exitCode === null && child.signalCode === null) {
      begun = true;
      signalGroup(pid, "SIGTERM");
      const timer = setTimeout(() => signalGroup(pid, "SIGKILL"), graceMs);
      void exited.then(() => clearTimeout(timer));
    }
    return exited;
  };
}

function followSignal(signal: AbortSignal | undefined, terminate: () => unknown, exited: Promise<ChildExit>): void {
  if (!signal) return;
  const stop = (): void => void terminate();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  void exited.then(() => signal.removeEventListener("abort", stop));
}
