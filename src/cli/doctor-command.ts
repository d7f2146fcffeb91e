import { KernelcastError, rejectOnAbort } from "../domain/index.ts";
import { examine, type DoctorCheck } from "../measure/doctor.ts";
import { workerDeviceKinds, type WorkerDeviceKind } from "../measure/open-worker-device.ts";
import type { WeighedSetup } from "../serve/weigh-setup.ts";
import { worthText } from "../decide/worth.ts";
import { parseSpecification } from "../serve/specification.ts";
import { coloursFor } from "./colours.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";

export interface DoctorFlags {
  readonly device: string;
  readonly python?: string;
  readonly workspace: string;
  readonly forecaster?: string;
  readonly gpuUsdPerHour?: number;
  readonly quick: boolean;
  readonly json: boolean;
}

/** `kernelcast doctor`. */
export async function doctor(this: CliContext, flags: DoctorFlags): Promise<void> {
  if (flags.gpuUsdPerHour !== undefined && flags.forecaster === undefined) {
    throw new KernelcastError("usage", "--gpu-usd-per-hour goes with --forecaster, whose worth it tells");
  }
  const { kind, detail } = parseSpecification("device", flags.device, workerDeviceKinds);
  const examined = examine({
    kind: kind as WorkerDeviceKind,
    detail,
    python: flags.python,
    env: { ...this.process.env },
    workspace: flags.workspace,
    quick: flags.quick,
    onNote: (line) => note(this, line),
  });
  const checks = await Promise.race([examined, rejectOnAbort(this.signal, "interrupted")]);
  const ok = checks.every((check) => check.ok || check.optional);
  const weighed = await weigh(this, flags);
  if (flags.json) printJson(this, { device: flags.device, ok, checks, ...weighed });
  else {
    for (const line of formatChecks(checks, coloursFor(this.process, this.process.stdout))) printLine(this, line);
    printLine(this, ok ? `${flags.device} can be used` : `${flags.device} cannot be used yet`);
    if (weighed) for (const line of weighedLines(flags, weighed)) printLine(this, line);
  }
  if (!ok) this.process.exitCode = 1;
}

/** Whether the forecaster is worth asking, where one was named. */
async function weigh(context: CliContext, flags: DoctorFlags): Promise<WeighedSetup | undefined> {
  const { forecaster, device, workspace, gpuUsdPerHour } = flags;
  if (forecaster === undefined) return undefined;
  const { weighSetup } = await import("../serve/weigh-setup.ts");
  const env = { ...context.process.env };
  return await weighSetup({ forecaster, device, workspace, gpuUsdPerHour, env });
}

function weighedLines({ forecaster, gpuUsdPerHour }: DoctorFlags, { worth, sources }: WeighedSetup): string[] {
  return [`is ${forecaster} worth asking? ${worthText(worth, gpuUsdPerHour)}`, ...sources.map((line) => `  ${line}`)];
}

type Colours = ReturnType<typeof coloursFor>;

function formatChecks(checks: readonly DoctorCheck[], colours: Colours): string[] {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks.flatMap((check) => {
    const line = `${mark(check, colours)}  ${check.name.padEnd(width)}  ${check.detail}`;
    return check.fix === undefined ? [line] : [line, `${" ".repeat(width + 8)}→ ${check.fix}`];
  });
}

function mark({ ok, optional }: DoctorCheck, { green, yellow, red }: Colours): string {
  if (ok) return green("ok  ");
  return optional ? yellow("note") : red("FAIL");
}
