import type { CommandContext } from "@stricli/core";

/** Where a command writes text; a stream of the process, or a buffer in tests. */
export interface TextSink {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly getColorDepth?: (env?: Readonly<Partial<Record<string, string>>>) => number;
}

/** The part of a Node process that commands use. Results go to `stdout`, everything else to `stderr`. */
export interface CliProcess {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Readonly<Partial<Record<string, string>>>;
  readonly cwd: () => string;
  /** Set by a command that is done but whose answer is a failure (1); otherwise chosen from how the command ended. */
  exitCode?: number | string | null;
}

/** What every command runs with (`this`). */
export interface CliContext extends CommandContext {
  readonly process: CliProcess;
  /** True when a person can be asked: standard input and error are terminals and CI is not set. */
  readonly interactive: boolean;
  /** Aborted by the first Ctrl-C or SIGTERM; the second one ends the process at once. */
  readonly signal: AbortSignal;
}

/** The `--json` flag that every command takes. */
export const jsonFlag = {
  kind: "boolean",
  brief: "Print one JSON document on standard output",
  default: false,
  withNegated: false,
} as const;

/** Parser for flags and arguments that are taken as they are; an empty one is a script's unset variable. */
export function text(input: string): string {
  if (input.trim() === "") throw new Error("it must not be empty");
  return input;
}

/** Writes the command's one JSON document. */
export function printJson(context: CliContext, value: unknown): void {
  context.process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Writes one line of the command's answer. */
export function printLine(context: CliContext, line: string): void {
  context.process.stdout.write(`${line}\n`);
}

/** Writes one line for the person watching: progress, warnings. */
export function note(context: CliContext, line: string): void {
  context.process.stderr.write(`${line}\n`);
}
