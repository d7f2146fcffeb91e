import type { TrustLevel } from "./settings.ts";

/** A sealed forecast beside what the device said: what trust is made of. Plain data, kept for good. */
export interface TrustLabel {
  /** Last link of the chain that the forecast was sealed into before the result was known. */
  readonly seal: string;
  readonly runId: string;
  readonly kernelId: string;
  readonly taskId: string;
  readonly family: string;
  /** Seconds, in the run's time. */
  readonly at: number;
  /** Level that the candidate was decided at. */
  readonly level: TrustLevel;
  /** The would-be decision, by the sealed forecast alone. */
  readonly skip: boolean;
  /** Chance with which it was measured: 1, or an audit's. */
  readonly probability: number;
  /** It beats the incumbent of the moment of its first decision by the margin of a win. */
  readonly win: boolean;
  readonly ok: boolean;
  readonly pOk: number;
  /** Of the runtime under the sealed forecast; null for a failure. */
  readonly pit: number | null;
  /** Beside the latest measurement of the run: the forecasts' chance that this kernel is the faster one, and whether it is. */
  readonly order?: { readonly chance: number; readonly faster: boolean };
  /** Whether it counts for promotion: what was chosen for reasons that no probability tells of does not. */
  readonly counts: boolean;
}
