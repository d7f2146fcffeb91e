import { runCli } from "./app.ts";
import type { CliContext, CliProcess } from "./context.ts";

/** Runs the program on the real process: standard streams, signals, exit code. */
export async function main(inputs: readonly string[]): Promise<void> {
  survivePipes();
  const controller = new AbortController();
  const stop = interrupt(controller);
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    process.exitCode = await runCli(inputs, contextOf(process, controller.signal));
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

function contextOf(node: NodeJS.Process, signal: AbortSignal): CliContext {
  const view: CliProcess = { stdout: node.stdout, stderr: node.stderr, env: node.env, cwd: () => node.cwd() };
  const interactive = node.stdin.isTTY && node.stderr.isTTY && !node.env["CI"];
  return { process: view, interactive, signal };
}

/** The first signal asks the command to stop; the second ends the process, and with it every worker (see `process.ts`). */
function interrupt(controller: AbortController): () => void {
  return () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
}

/** A reader that goes away (`| head`) is no fault: what is written afterwards is dropped. */
function survivePipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}
