import { runCli } from "../cli/app.ts";
import type { CliContext, CliProcess } from "../cli/context.ts";

/** What a command line did. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: CliProcess["env"];
  readonly signal?: AbortSignal;
}

/** Runs a kernelcast command line in this process, as without a terminal, and collects what it writes. */
export async function runCommand(words: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  let stdout = "";
  let stderr = "";
  const context: CliContext = {
    process: {
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: (text) => (stderr += text) },
      env: options.env ?? process.env,
      cwd: () => options.cwd ?? process.cwd(),
    },
    interactive: false,
    signal: options.signal ?? new AbortController().signal,
  };
  const code = await runCli(words, context);
  return { code, stdout, stderr };
}
