import {
  exhausted,
  type Budget,
  type Decision,
  type Evidence,
  type Forecast,
  type ForecastBasis,
  type FailureStatus,
  type ForecastOutcome,
  type OkMeasurement,
  type Outlook,
  type PieceCosts,
  type Policy,
  type Spending,
  type StageCosts,
  type SurrogateVerdict,
} from "../domain/index.ts";
import type { CandidateRecord, SearchCommand, SearchConfig, StopReason } from "./events.ts";
import type { ModelLedger } from "./model-ledger.ts";
import type { ParentChoice } from "./puct.ts";
import type { RunTrust } from "./trust.ts";

export type CandidateStatus = "proposed" | "skipped" | "duplicate" | "waiting" | "measuring" | "ok" | "failed";

/** One candidate's way so far. Sources are not held here: see `KernelCatalog`. */
export interface CandidateState {
  readonly record: CandidateRecord;
  batchId: string | null;
  status: CandidateStatus;
  forecast?: Forecast;
  /** What its forecast was made of, until its outcome is known. */
  basis?: ForecastBasis;
  decision?: Decision;
  evidence?: Evidence;
  measurement?: OkMeasurement;
  /** What a compiler or a device said against it. */
  failure?: { readonly status: FailureStatus; readonly error: string };
  /** The kernel whose machine code it has. */
  duplicateOf?: string;
  /** Screenings that had ended when it was forecast last. */
  forecastAt?: number;
  /** True once an A B B A comparison has been made. */
  confirmed: boolean;
}

/** Proposals of one parent that go through the stages together. */
export interface Batch {
  readonly batchId: string;
  readonly parentId: string;
  readonly kernelIds: string[];
  /** Members whose screening has not ended; the batch closes at 0. */
  unmeasured: number;
  /** Whether the device was given a member. */
  reachedDevice?: boolean;
  /** Whether its proposer takes duplicates back. */
  revises?: boolean;
  /** Stands in for duplicates of another batch; its own are dropped. */
  readonly revision?: boolean;
  /** The stronger surrogate was asked about its candidates. */
  escalated?: boolean;
  /** Its members were skipped before. */
  readonly again?: boolean;
}

export interface SearchCounts {
  considered: number;
  measured: number;
  skipped: number;
  audited: number;
  duplicates: number;
  failed: number;
}

/** What a policy that plans is told beyond one batch. */
export interface PlanningState {
  /** Candidates skipped before, the latest last; bounded, the least promising leave. */
  readonly pendingIds: Set<string>;
  /** Kernels whose forecast is the stronger surrogate's. */
  readonly escalated: Set<string>;
  readonly costs: { readonly [Stage in keyof StageCosts]: Writable<PieceCosts> };
  /** Latest outlooks since the incumbent changed. */
  readonly outlooks: Outlook[];
  /** Forecasting was found dearer than measuring. */
  verdict: SurrogateVerdict | undefined;
  stop: string | undefined;
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

export interface SearchState {
  readonly config: SearchConfig;
  readonly policy: Policy;
  readonly tree: ParentChoice;
  readonly candidates: Map<string, CandidateState>;
  readonly byText: Map<string, string>;
  readonly byMachineCode: Map<string, string>;
  /** Kernels found ok, in the order found; one that fails its confirmation leaves. */
  readonly okIds: string[];
  /** Kernels whose screening beat the incumbent of its time and that wait for a confirmation. */
  readonly contenders: Set<string>;
  /** Outcomes of forecasts with a basis, in the order known: what a forecaster learns from. */
  readonly outcomes: ForecastOutcome[];
  readonly proposalsOf: Map<string, number>;
  /** The latest candidates by parent of which something is known: what a proposer learns from. */
  readonly resultsOf: Map<string, string[]>;
  /** All candidates of which something is known, in the order known. */
  readonly resultIds: Set<string>;
  /** The latest candidates of the run that failed. */
  readonly recentFailures: string[];
  readonly ledger: ModelLedger;
  readonly batches: Map<string, Batch>;
  /** Kernels chosen for measuring, in the order chosen. */
  readonly waiting: string[];
  /** Commands issued and not ended, by id, with the time of issue. */
  readonly pending: Map<string, { readonly command: SearchCommand; readonly issuedAt: number }>;
  readonly counts: SearchCounts;
  startedAt: number;
  now: number;
  spent: Spending;
  nextBatch: number;
  seedId: string;
  incumbentId: string | undefined;
  /** Why the seed kernel could not be measured. */
  seedFailure: string | undefined;
  /** Closed batches in a row of which nothing reached the device. */
  barrenBatches: number;
  /** Batches in a row that held nothing new. */
  repeatedBatches: number;
  /** Askings in a row of which every proposal came to nothing. */
  lostProposals: number;
  /** True once the one confirmation that may follow a spent limit was made. */
  closingConfirmation: boolean;
  /** Whether skipped kernels may still be taken up when proposals run out: until the policy wants none of them. */
  reconsiders: boolean;
  /** What a policy that plans is told; empty and unused with others. */
  readonly planning: PlanningState;
  /** How far the surrogate is trusted; undefined where nothing asks. */
  trust?: RunTrust;
  ended: StopReason | undefined;
}

/** Fields of the incumbent that decisions need; the incumbent is always measured. */
export function incumbentOf(state: SearchState): CandidateState & { readonly measurement: OkMeasurement } {
  const incumbent = state.incumbentId === undefined ? undefined : state.candidates.get(state.incumbentId);
  if (!incumbent?.measurement) throw new Error("the run has no incumbent yet");
  return { ...incumbent, measurement: incumbent.measurement };
}

/** Notes what came of a candidate whose forecast has a basis; a second outcome of it (a confirmation) is not another one. */
export function rememberOutcome(state: SearchState, candidate: CandidateState, log2Us: number | null): void {
  if (!candidate.basis) return;
  state.outcomes.push({ basis: candidate.basis, log2Us });
  delete candidate.basis;
}

/** Screenings under way, waiting, or chosen and being compiled: what the budget of measurements must still cover. */
export function committedMeasurements(state: SearchState): number {
  let committed = state.waiting.length;
  for (const { command } of state.pending.values()) {
    if (command.type === "measure" && command.mode === "screen") committed++;
    if (command.type === "compile") committed += command.kernelIds.length;
  }
  return committed;
}

/** Candidates considered or asked for: what the budget of candidates must cover. */
export function committedCandidates(state: SearchState): number {
  let committed = state.counts.considered;
  for (const { command } of state.pending.values()) if (command.type === "propose") committed += command.count;
  return committed;
}

/** Whether candidates come from other programs: the run then waits for them, however long nothing comes of any. */
export function proposesFromOutside({ config: { proposer } }: SearchState): boolean {
  return proposer === "external" || proposer.startsWith("external:");
}

/** Whether the proposer learns from all that the run knows, rather than from what is near a parent. */
export function learnsFromAll({ config: { proposer } }: SearchState): boolean {
  return /^tunables:learn(:|$)/.test(proposer);
}

/** Whether a limit of what is spent has been reached, or a language model needs more than is left. */
export function isSpent(state: SearchState): boolean {
  if (state.ledger.refused !== undefined) return true;
  return exhausted(spendingLimits(state), state.spent, { measurements: 0, candidates: 0 }) !== undefined;
}

/** The limits of what is spent; counts are limited when batches are opened and decided. */
function spendingLimits(state: SearchState): Budget {
  const { measurements: _, candidates: __, ...limits } = state.config.budget;
  return limits;
}

/** Machine code and launches together: the same code launched differently is another kernel. */
export function machineCodeKey(candidate: CandidateState): string | undefined {
  const code = candidate.evidence?.machineCodeSha256;
  return code === undefined ? undefined : `${code} ${JSON.stringify(candidate.record.launches)}`;
}
