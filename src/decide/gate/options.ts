import { defaultPrices, type Prices } from "./costs.ts";
import { defaultErrorModel, type ErrorModel } from "./shared-luck.ts";

/** Settings of the gate. Those of a policy's name are the defaults, so that a log's policy says all. */
export interface GateOptions {
  readonly proposalsPerParent: number;
  /** Most measurements decided at once: more would be decided knowing less. */
  readonly perBatch: number;
  /** A candidate is worth a place in a batch while it adds this share of what the first does. */
  readonly leastShare: number;
  /** No candidate of a batch is measured where the best is worth less than this share of the best of late. */
  readonly recentShare: number;
  /** Below this p_ok a candidate is taken to fail. */
  readonly surelyFails: number;
  /** Audits' share of the measurements. */
  readonly auditShare: number;
  /** Candidates that are looked at together. */
  readonly shortlist: number;
  /** Of those, for how many the value of information is computed. */
  readonly lookedAhead: number;
  readonly draws: number;
  /** Pending candidates forecast anew with each batch, where forecasts cost no money. */
  readonly refreshes: number;
  /** The run ends when all measurements left together promise less than this (log2)… */
  readonly stopLog2: number;
  /** … in as many decisions in a row. */
  readonly stopPatience: number;
  /** Most candidates of a batch that a stronger surrogate is asked about. */
  readonly escalations: number;
  /** The stronger surrogate's error over the weaker one's. */
  readonly strongWidth: number;
  /** Least share of a measurement's worth that asking must promise where measurements are rationed and money is not. */
  readonly leastEscalation: number;
  readonly prices: Prices;
  readonly errors: ErrorModel;
}

export const defaultGateOptions: GateOptions = {
  proposalsPerParent: 16,
  perBatch: 4,
  leastShare: 0.3,
  recentShare: 0.2,
  surelyFails: 0.02,
  auditShare: 0.04,
  shortlist: 48,
  lookedAhead: 24,
  draws: 256,
  refreshes: 16,
  stopLog2: Math.log2(1.003),
  stopPatience: 8,
  escalations: 8,
  strongWidth: 0.5,
  leastEscalation: 0.1,
  prices: defaultPrices,
  errors: defaultErrorModel,
};
