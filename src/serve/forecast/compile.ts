import type { CompileOutcome, Device, Evidence, Kernel, Task } from "../../domain/index.ts";
import { openWorkerDevice } from "../../measure/open-worker-device.ts";
import type { ForecastDevice } from "./device.ts";

export interface CompileOptions {
  readonly python?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly onNote?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What a compiler said of kernels, by their ids. */
export interface Compiled {
  /** Where the compiler was. */
  readonly where: string;
  readonly evidence: ReadonlyMap<string, Evidence>;
  /** One line for each kernel that does not compile. */
  readonly errors: ReadonlyMap<string, string>;
  readonly cpuSeconds: number;
}

/** Compiles on the live device, else with a compiler of this machine for the recorded device's architecture. */
export async function compileKernels(
  device: ForecastDevice,
  task: Task,
  kernels: readonly Kernel[],
  options: CompileOptions,
): Promise<Compiled> {
  if (device.live) return compileOn(device.live, task, kernels, options);
  const { python, env, onNote } = options;
  const compiler = await openWorkerDevice({
    kind: "local",
    detail: "",
    workerArgs: ["--role", "compile"],
    arch: architecture(device.info.computeCapability),
    python,
    ...(env ? { env } : {}),
    ...(onNote ? { onNote } : {}),
  });
  try {
    return await compileOn(compiler, task, kernels, options);
  } finally {
    await compiler.close();
  }
}

/** `9.0` is `sm_90a`: what runs on Hopper may use what is Hopper's alone. */
function architecture(computeCapability: string): string {
  const digits = computeCapability.replace(".", "");
  return `sm_${digits}${Number(digits) >= 90 ? "a" : ""}`;
}

async function compileOn(
  device: Device,
  task: Task,
  kernels: readonly Kernel[],
  { signal }: CompileOptions,
): Promise<Compiled> {
  const outcomes = await device.compile(task, kernels, signal);
  const evidence = new Map(outcomes.flatMap((one) => (one.ok ? [[one.kernelId, one.evidence] as const] : [])));
  const errors = new Map(outcomes.flatMap((one) => (one.ok ? [] : [[one.kernelId, one.error] as const])));
  return { where: device.name, evidence, errors, cpuSeconds: outcomes.reduce((sum, one) => sum + secondsOf(one), 0) };
}

function secondsOf(outcome: CompileOutcome): number {
  return outcome.ok ? (outcome.evidence.compileMs ?? 0) / 1000 : 0;
}
