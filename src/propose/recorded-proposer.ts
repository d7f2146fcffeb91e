import {
  KernelcastError,
  type Candidate,
  type Proposer,
  type ProposeContext,
  type RecordedKernel,
  type Recording,
} from "../domain/index.ts";
import { createProposalOrder } from "./recorded-order.ts";

export interface RecordedProposerOptions {
  /** Propose only kernels that were measured on this device; by default, those measured on any. */
  readonly device?: string;
}

/**
 * Proposes the kernels of a recorded task, as a writer would who starts from the parent: mostly its children in the
 * derivation tree, then kernels near it, now and then one from far away, in the end every kernel but the seed and the
 * parent. The k-th proposal of a parent is a function of (recording, seed, parent, k) alone. A parent that is not in
 * the recording counts as its seed kernel.
 */
export function recordedProposer(
  recording: Recording,
  taskId: string,
  options: RecordedProposerOptions = {},
): Proposer {
  const recorded = recording.tasks.get(taskId);
  if (!recorded) {
    const known = [...recording.tasks.keys()].join(", ");
    throw new KernelcastError("recording", `${recording.name}: no task "${taskId}" in it (it has: ${known})`);
  }
  const seedId = recorded.task.seedKernel.kernelId;
  const kernels = recording.kernels(taskId);
  const measured = measuredKernels(recording, taskId, options.device);
  const eligible = (kernel: RecordedKernel): boolean =>
    kernel.kernel.kernelId !== seedId && measured.has(kernel.kernel.kernelId);
  const order = createProposalOrder(kernels, seedId, eligible);
  return {
    name: "recorded",
    propose: async (context, signal) => {
      signal?.throwIfAborted();
      const { parent, firstIndex, count, seed } = context;
      const proposals = order(seed, parent.kernel.kernelId);
      const wanted = [...proposals.subarray(firstIndex, firstIndex + count)];
      const candidates = wanted.map((index) => toCandidate(kernels[index] as RecordedKernel, context));
      return {
        candidates,
        exhausted: firstIndex + count >= proposals.length,
        cost: { cpuSeconds: 0, tokens: 0, usd: 0 },
      };
    },
  };
}

function measuredKernels(recording: Recording, taskId: string, device: string | undefined): ReadonlySet<string> {
  const devices = device === undefined ? recording.devices : [device];
  return new Set(devices.flatMap((name) => [...recording.measurements(taskId, name).keys()]));
}

function toCandidate(recorded: RecordedKernel, { parent }: ProposeContext): Candidate {
  return {
    kernel: recorded.kernel,
    parentId: parent.kernel.kernelId,
    origin: "recorded",
    ...(recorded.idea === undefined ? {} : { idea: recorded.idea }),
  };
}
