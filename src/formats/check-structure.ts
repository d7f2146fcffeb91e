import {
  integerDefines,
  makeKernel,
  recordedPasses,
  type RecordedKernel,
  type RecordedMeasurement,
  type Recording,
  type Runtime,
} from "../domain/index.ts";
import type { Finding } from "./check-recording.ts";
import { passAgreement } from "./recording-info.ts";

/** Ids must be the digests of their kernels; a recording whose ids are all of another kind is warned of once. */
export function checkIds(recording: Recording): Finding[] {
  const findings: Finding[] = [];
  let total = 0;
  for (const [taskId, { task }] of recording.tasks) {
    for (const recorded of recording.kernels(taskId)) {
      total++;
      const fault = idFault(recorded, task.workload.sizes);
      if (fault) findings.push({ severity: "error", rule: "kernel-id", taskId, message: fault });
    }
  }
  if (total === 0 || findings.length < total) return findings;
  const message = `none of the ${total} kernel ids is a digest of its kernel: the recording has ids of its own`;
  return [{ severity: "warning", rule: "kernel-id", message }];
}

function idFault({ kernel }: RecordedKernel, sizes: Readonly<Record<string, number>>): string | undefined {
  const { kernelId, source, launches, compileOptions } = kernel;
  const names = { ...integerDefines(compileOptions), ...sizes };
  const expected = makeKernel({ source, launches, compileOptions }, names).kernelId;
  return expected === kernelId ? undefined : `kernel ${kernelId} should have the id ${expected}`;
}

/** The derivation tree of each task: no circles, one root. That parents exist is checked on loading. */
export function checkTree(recording: Recording): Finding[] {
  return [...recording.tasks.keys()].flatMap((taskId): Finding[] => {
    const kernels = recording.kernels(taskId);
    const circular = kernelsInCircles(kernels);
    const roots = kernels.filter(({ parentId }) => parentId === null).length;
    const findings: Finding[] = circular.map((kernelId) => ({
      severity: "error",
      rule: "tree",
      taskId,
      message: `kernel ${kernelId} descends from itself`,
    }));
    if (roots === 1) return findings;
    const message = `${roots} kernels have no parent; one is expected, the seed kernel`;
    return [...findings, { severity: "warning", rule: "tree", taskId, message }];
  });
}

function kernelsInCircles(kernels: readonly RecordedKernel[]): string[] {
  const parents = new Map(kernels.map(({ kernel, parentId }) => [kernel.kernelId, parentId]));
  const reachesRoot = new Set<string>();
  const circular: string[] = [];
  for (const start of parents.keys()) {
    const path = new Set<string>();
    let at: string | null = start;
    while (at !== null && !path.has(at) && !reachesRoot.has(at)) {
      path.add(at);
      at = parents.get(at) ?? null;
    }
    if (at !== null && path.has(at)) circular.push(start);
    else for (const id of path) reachesRoot.add(id);
  }
  return circular;
}

/** Runtimes must be ordered and agree with their samples; failures must say why; every kernel should be measured. */
export function checkMeasurements(recording: Recording): Finding[] {
  const findings: Finding[] = [];
  for (const taskId of recording.tasks.keys()) {
    const measured = new Set<string>();
    for (const device of recording.devices) {
      for (const measurement of recording.measurements(taskId, device).values()) {
        measured.add(measurement.kernelId);
        findings.push(...measurementFindings(taskId, measurement));
      }
    }
    const unmeasured = recording.kernels(taskId).filter(({ kernel }) => !measured.has(kernel.kernelId)).length;
    if (unmeasured === 0) continue;
    const message = `${unmeasured} kernels were never measured`;
    findings.push({ severity: "warning", rule: "unmeasured", taskId, message });
  }
  return findings;
}

/** Kernels whose passes disagree and whose third pass agrees with neither, or is missing. */
export function checkPasses(recording: Recording): Finding[] {
  return recording.devices.flatMap((device): Finding[] => {
    const measurements = [...recording.tasks.keys()].flatMap((taskId) => [
      ...recording.measurements(taskId, device).values(),
    ]);
    const { over3Percent, unconfirmed } = passAgreement(measurements);
    if (unconfirmed === 0) return [];
    const message = `${device}: the two passes of ${over3Percent} kernels differ by more than 3 %, and no third one confirms ${unconfirmed} of them`;
    return [{ severity: "warning", rule: "unconfirmed", message }];
  });
}

function measurementFindings(taskId: string, measurement: RecordedMeasurement): Finding[] {
  const { kernelId, status, error } = measurement;
  const faults = recordedPasses(measurement).flatMap((pass) => runtimeFault(pass) ?? []);
  const findings: Finding[] = faults.map((fault) => ({
    severity: "error",
    rule: "runtime",
    taskId,
    message: `kernel ${kernelId}: ${fault}`,
  }));
  if (status === "ok" || error) return findings;
  return [
    ...findings,
    {
      severity: "warning",
      rule: "error-message",
      taskId,
      message: `kernel ${kernelId} is ${status} without a message`,
    },
  ];
}

function runtimeFault({ medianUs, p10Us, p90Us, samplesUs }: Runtime): string | undefined {
  if (p10Us > medianUs || medianUs > p90Us) return `its p10, median and p90 are ${p10Us}, ${medianUs}, ${p90Us}`;
  if (samplesUs.length === 0) return undefined;
  const sorted = samplesUs.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const low = sorted[Math.floor(middle)] as number;
  const high = sorted[Math.ceil(middle)] as number;
  const agrees = medianUs >= low * 0.999 && medianUs <= high * 1.001;
  return agrees ? undefined : `its median is ${medianUs} but its samples' is ${(low + high) / 2}`;
}
