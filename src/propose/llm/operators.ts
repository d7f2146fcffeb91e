import { keyedUniform, type PastProposal, type ProposeContext } from "../../domain/index.ts";

export type OperatorName = "improve" | "fix" | "rewrite" | "tune" | "specialise";

/** What a model is asked to do, and with what. */
export interface Operator {
  readonly name: OperatorName;
  /** What it starts from when it is not the parent: a proposal that failed. */
  readonly failed?: FailedProposal;
}

/** A past proposal that did not compile, or was wrong, or did not run. */
export type FailedProposal = PastProposal & { readonly outcome: { readonly kind: "failed" } };

/** How often each is chosen. A failure costs a measurement and is often one line away from a result. */
const weights: Readonly<Record<OperatorName, number>> = { improve: 4, fix: 3, rewrite: 2, tune: 2, specialise: 2 };
const names = Object.keys(weights) as readonly OperatorName[];

export const instructions: Readonly<Record<OperatorName, string>> = {
  improve:
    "Improve the parent: find what limits it on this device (memory traffic, latency, occupancy, instruction count, divergence, bank conflicts, too few blocks) and remove that limit.",
  fix: "Fix the failed kernel below: keep its idea, remove the fault that the message names, and check the rest for the same fault.",
  rewrite:
    "Rewrite the computation with another algorithm than the parent's: another decomposition over blocks and threads, another order of passes over memory, fused or split kernels, other instructions.",
  tune: "Keep the parent's algorithm and tune it: block and tile sizes, work per thread, vector width, unrolling, stages of prefetching, launch bounds, how many blocks are launched.",
  specialise:
    "Specialise the parent to the sizes of this task: constants in place of parameters, no guards that these sizes do not need, tiles that divide them, loops of known length, index arithmetic that powers of two allow.",
};

/** The operator of the k-th proposal of a parent: a keyed draw; `fix` only where something failed. */
export function chooseOperator({ seed, parent, history = [] }: ProposeContext, index: number): Operator {
  const parentId = parent.kernel.kernelId;
  const failed = history.filter(isFailed);
  const offered = names.filter((name) => name !== "fix" || failed.length > 0);
  let rest =
    keyedUniform(seed, "propose-operator", parentId, index) * offered.reduce((sum, name) => sum + weights[name], 0);
  const name = offered.find((one) => (rest -= weights[one]) < 0) ?? "improve";
  if (name !== "fix") return { name };
  const pick = Math.floor(keyedUniform(seed, "propose-fix", parentId, index) * failed.length);
  const chosen = failed[pick];
  return chosen ? { name, failed: chosen } : { name: "improve" };
}

function isFailed(past: PastProposal): past is FailedProposal {
  return past.outcome.kind === "failed";
}
