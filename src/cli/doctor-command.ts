import { rejectOnAbort } from "../domain/index.ts";
import { examine, type DoctorCheck } from "../measure/doctor.ts";
import { workerDeviceKinds, type WorkerDeviceKind } from "../measure/open-worker-device.ts";
import { parseSpecification } from "../serve/specification.ts";
import { coloursFor } from "./colours.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";

export interface DoctorFlags {
  readonly device: string;
  readonly python?: string;
  readonly workspace: string;
  readonly quick: boolean;
  readonly json: boolean;
}

/** `kernelcast doctor`. */
export async function doctor(this: CliContext, flags: DoctorFlags): Promise<void> {
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
  if (flags.json) printJson(this, { device: flags.device, ok, checks });
  else {
    for (const line of formatChecks(checks, coloursFor(this.process, this.process.stdout))) printLine(this, line);
    printLine(this, ok ? `${flags.device} can be used` : `${flags.device} cannot be used yet`);
  }
  if (!ok) this.process.exitCode = 1;
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
