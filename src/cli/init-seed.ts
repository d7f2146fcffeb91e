import type { CompileOutcome, Measurement } from "../domain/index.ts";
import type { InitFiles } from "../formats/init-task.ts";
import { openWorkerDevice, workerDeviceKinds, type WorkerDeviceKind } from "../measure/open-worker-device.ts";
import type { WorkerDevice } from "../measure/worker-device.ts";
import { parseSpecification } from "../serve/specification.ts";
import { note, type CliContext } from "./context.ts";

/** What a device said of a new task's seed kernel. */
export interface SeedCheck {
  readonly ok: boolean;
  /** One line. */
  readonly text: string;
  readonly compiled: boolean;
  readonly status?: Measurement["status"];
  readonly runtime_us?: number;
}

/** Compiles the seed, and measures it where the device has a GPU and the task a reference. */
export async function checkSeed(
  context: CliContext,
  made: InitFiles,
  flags: { readonly device?: string; readonly python?: string },
): Promise<SeedCheck | undefined> {
  if (flags.device === undefined) return undefined;
  const { kind, detail } = parseSpecification("device", flags.device, workerDeviceKinds);
  const device = await openWorkerDevice({
    kind: kind as WorkerDeviceKind,
    detail,
    python: flags.python,
    env: { ...context.process.env },
    onNote: (line) => note(context, line),
  });
  try {
    return await compileAndMeasure(device, made, context.signal);
  } finally {
    await device.close();
  }
}

async function compileAndMeasure(device: WorkerDevice, made: InitFiles, signal: AbortSignal): Promise<SeedCheck> {
  const { task } = made;
  const [outcome] = await device.compile(task, [task.seedKernel], signal);
  if (!outcome?.ok)
    return { ok: false, compiled: false, text: `the seed does not compile: ${outcome?.error ?? "no answer"}` };
  const compiled = `the seed compiles (${registers(outcome)})`;
  const { checks } = await device.greet();
  const driver = checks?.find(({ name }) => name === "driver");
  if (driver?.ok === false) return { ok: true, compiled: true, text: `${compiled}; not measured: no driver there` };
  if (made.incomplete)
    return { ok: true, compiled: true, text: `${compiled}; to be measured when reference.py is complete` };
  const measurement = await device.measure(
    { requestId: "init-seed", task, kernel: task.seedKernel, mode: "screen" },
    signal,
  );
  const { status } = measurement;
  if (measurement.status !== "ok") {
    return { ok: false, compiled: true, status, text: `the seed fails (${measurement.status}): ${measurement.error}` };
  }
  const { medianUs } = measurement.runtime;
  return {
    ok: true,
    compiled: true,
    status,
    runtime_us: medianUs,
    text: `the seed is correct and takes ${medianUs.toFixed(1)} µs`,
  };
}

function registers(outcome: CompileOutcome & { ok: true }): string {
  return outcome.evidence.regs === undefined ? "resources unknown" : `${outcome.evidence.regs} registers`;
}
