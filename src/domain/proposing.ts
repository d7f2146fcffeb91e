import type { Kernel } from "./kernel.ts";
import type { FailureStatus } from "./measurement.ts";

/** What became of a proposal. Runtimes in µs. */
export type ProposalOutcome =
  | { readonly kind: "ok"; readonly runtimeUs: number }
  | { readonly kind: "failed"; readonly status: FailureStatus; readonly error: string }
  /** Its machine code is that of another kernel. */
  | { readonly kind: "duplicate"; readonly of: string };

/** An earlier proposal of the run, for a proposer that learns from it. */
export interface PastProposal {
  readonly kernel: Kernel;
  readonly parentId: string | null;
  readonly idea?: string;
  readonly outcome: ProposalOutcome;
}

/** How a proposal was recognised as a kernel that the run has already. */
export type DuplicateBy = "id" | "text" | "machine-code";

/** A proposal that is sent back, with the kernel that it is over again. */
export interface DuplicateProposal {
  readonly kernel: Kernel;
  readonly of: Kernel;
  readonly by: DuplicateBy;
}

/** A proposal that came to nothing: `fault` is one word, `message` one line. */
export interface ProposalFailure {
  /** The proposal's index among its parent's. */
  readonly index: number;
  readonly operator: string;
  readonly fault: string;
  readonly message: string;
}
