import {
  buildApplication,
  buildRouteMap,
  ExitCode,
  run,
  text_en,
  type Application,
  type ApplicationText,
} from "@stricli/core";
import { KernelcastError, type ErrorCode } from "../domain/index.ts";
import type { CliContext, CliProcess } from "./context.ts";
import { routes } from "./routes.ts";
import { packageVersion } from "./version.ts";

const exitCodes: Readonly<Record<ErrorCode, number>> = {
  usage: 2,
  task: 1,
  recording: 1,
  device: 1,
  store: 1,
  model: 1,
  interrupted: 130,
  internal: 1,
};

/** Runs one command line and returns its exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted. Never throws. */
export async function runCli(inputs: readonly string[], context: CliContext): Promise<number> {
  try {
    await run(buildApp(context.process.env), inputs, context);
  } catch (error) {
    context.process.stderr.write(`${formatError(error, context.process.env)}\n`);
    return exitCodeOf(error);
  }
  return toExitCode(Number(context.process.exitCode ?? 0));
}

/** Stricli's negative codes in ours. */
function toExitCode(code: number): number {
  if (code >= 0) return code;
  return code === ExitCode.InvalidArgument || code === ExitCode.UnknownCommand ? 2 : 1;
}

/** The exit code that a thrown value stands for. */
export function exitCodeOf(error: unknown): number {
  if (KernelcastError.isInstance(error)) return exitCodes[error.code];
  return isAbort(error) ? 130 : 1;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** One line for a thrown value; with `KERNELCAST_DEBUG` set, its stack. */
export function formatError(error: unknown, env: CliProcess["env"]): string {
  const debug = Boolean(env["KERNELCAST_DEBUG"]);
  if (debug && error instanceof Error) return `kernelcast: ${error.stack ?? error.message}${causeOf(error)}`;
  const message = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
  if (KernelcastError.isInstance(error)) return `kernelcast: ${message}`;
  if (isAbort(error)) return "kernelcast: interrupted";
  return `kernelcast: unexpected fault: ${message} (set KERNELCAST_DEBUG=1 for the stack)`;
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? `\ncaused by: ${error.cause.stack ?? error.cause.message}` : "";
}

/** The application; `env` chooses colour and debugging. */
export function buildApp(env: CliProcess["env"]): Application<CliContext> {
  const root = buildRouteMap<string, CliContext>({
    routes,
    docs: { brief: "Finds faster GPU kernels while using the GPU as little as it can" },
  });
  return buildApplication<CliContext>(root, {
    name: "kernelcast",
    versionInfo: { currentVersion: packageVersion() },
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: { caseStyle: "convert-camel-to-kebab", disableAnsiColor: Boolean(env["NO_COLOR"]) },
    localization: { text: messages(env) },
    determineExitCode: exitCodeOf,
  });
}

function messages(env: CliProcess["env"]): ApplicationText {
  const format = (error: unknown): string => formatError(error, env);
  return {
    ...text_en,
    exceptionWhileParsingArguments: (error) =>
      `kernelcast: ${error instanceof Error ? error.message : String(error)} (--help shows the usage)`,
    noCommandRegisteredForInput: ({ input, corrections }) =>
      `kernelcast: no command "${input}"${corrections.length > 0 && input !== "help" ? `; did you mean ${corrections.join(" or ")}?` : ""} (--help lists the commands)`,
    exceptionWhileLoadingCommandFunction: format,
    exceptionWhileLoadingCommandContext: format,
    exceptionWhileRunningCommand: format,
    commandErrorResult: format,
  };
}
