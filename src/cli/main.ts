import { setMaxListeners } from "node:events";
import { fileFault } from "../domain/index.ts";
import { runCli } from "./app.ts";
import type { CliContext, CliProcess } from "./context.ts";

/** Signals that ask a command to stop: Ctrl-C, a job manager, a terminal that was closed. */
const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs the program on the real process: standard streams, signals, exit code. */
export async function main(inputs: readonly string[]): Promise<void> {
  const streams = watchStreams();
  const controller = new AbortController();
  // Many calls and measurements wait on the one signal at once; that is no leak to warn of.
  setMaxListeners(0, controller.signal);
  const stop = interrupt(controller);
  for (const signal of stopSignals) process.on(signal, stop);
  try {
    const code = await runCli(inputs, contextOf(process, controller.signal));
    process.exitCode = streams.lost() && code === 0 ? 1 : code;
    // What an interrupted command left running would keep the program alive; at its end the workers end too.
    if (controller.signal.aborted) process.exit();
  } finally {
    for (const signal of stopSignals) process.off(signal, stop);
  }
}

function contextOf(node: NodeJS.Process, signal: AbortSignal): CliContext {
  const view: CliProcess = { stdout: node.stdout, stderr: node.stderr, env: node.env, cwd: () => node.cwd() };
  const interactive = node.stdin.isTTY && node.stderr.isTTY && !node.env["CI"];
  return { process: view, interactive, signal };
}

/** The first signal asks the command to stop; the second ends the process, and with it every worker (see `child.ts`). */
function interrupt(controller: AbortController): () => void {
  return () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
}

/**
 * A reader that goes away (`| head`) is no fault: what is written afterwards is dropped. A result that cannot be written for
 * another reason, as a full disk, is one, and makes the exit code 1. Progress that nobody can see stops nothing.
 */
function watchStreams(): { readonly lost: () => boolean } {
  let lost = false;
  process.stderr.on("error", () => undefined);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || lost) return;
    lost = true;
    process.exitCode = 1;
    process.stderr.write(`kernelcast: cannot write to standard output: ${fileFault(error)}\n`);
  });
  return { lost: () => lost };
}
