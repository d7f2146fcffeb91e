import type { ForecastCost, Forecast, ForecastReason } from "./forecast.ts";
import type { Decision } from "./decision.ts";
import type { DeviceInfo } from "./device.ts";
import type { Candidate, Kernel } from "./kernel.ts";
import type { Evidence, Measurement, OkMeasurement } from "./measurement.ts";
import type { DuplicateProposal, PastProposal, ProposalFailure } from "./proposing.ts";
import type { Submissions } from "./submission.ts";
import type { Task } from "./task.ts";

/** A measured kernel that forecasts and confirmations are relative to. */
export interface Anchor {
  readonly kernel: Kernel;
  readonly measurement: OkMeasurement;
}

/** Result of compiling one kernel; a compile error is a value. */
export type CompileOutcome =
  | { readonly kernelId: string; readonly ok: true; readonly evidence: Evidence }
  | { readonly kernelId: string; readonly ok: false; readonly error: string };

export interface MeasureRequest {
  /** Unique within a run and stable across restarts: a repeated request is recognised by it. */
  readonly requestId: string;
  readonly task: Task;
  readonly kernel: Kernel;
  /** `screen`: few samples, stops early for the clearly slow. `confirm`: A B B A blocks against `anchor`, fresh seeds. */
  readonly mode: "screen" | "confirm";
  readonly anchor?: Anchor;
  /** Seal of the forecast that was made before; a receipt echoes it. */
  readonly sealed?: string;
}

/** Where kernels are compiled and timed. Implementations are closed with `close`, and answer in any order. */
export interface Device {
  /** As given by the user: `recorded:PATH`, `local`, `ssh:HOST`, `command:…`. */
  readonly name: string;
  /** Virtual devices report durations instead of taking them; see `search/`. */
  readonly time: "virtual" | "real";
  /** How many `measure` calls may usefully overlap. */
  readonly concurrency: number;
  describe(): Promise<DeviceInfo>;
  /** What measurements depend on beside the device, as versions by name, where that is known. */
  environment?(): Promise<Readonly<Record<string, string>>>;
  compile(task: Task, kernels: readonly Kernel[], signal?: AbortSignal): Promise<readonly CompileOutcome[]>;
  measure(request: MeasureRequest, signal?: AbortSignal): Promise<Measurement>;
  close(): Promise<void>;
}

/**
 * What an answer that was pooled or calibrated was made of, so that a run can teach it: each member's own forecast, and
 * the anchor that the candidate is most like. Plain data, kept with the run.
 */
export interface ForecastBasis {
  readonly kernelId: string;
  /** `log2Us`: the anchor's runtime in log2 µs; `likeness`: 0–1. */
  readonly reference?: { readonly log2Us: number; readonly likeness: number };
  readonly members: Readonly<Record<string, Omit<Forecast, "kernelId">>>;
}

/** A forecast's basis beside what the device said: log2 of the runtime in µs, null for a failure. */
export interface ForecastOutcome {
  readonly basis: ForecastBasis;
  readonly log2Us: number | null;
}

export interface ForecastRequest {
  readonly task: Task;
  readonly device: DeviceInfo;
  /** Measured kernels, the incumbent or the candidates' common parent first; at least the seed kernel. */
  readonly anchors: readonly Anchor[];
  readonly candidates: readonly Kernel[];
  /** Compile evidence by kernel id, where a compiler was asked. */
  readonly evidence?: ReadonlyMap<string, Evidence>;
  /** What the run has measured of forecasts with a basis, oldest first; the latest ones where there are many. */
  readonly outcomes?: readonly ForecastOutcome[];
}

/** The anchor that gives a forecast its scale: the task's seed kernel, else the last; undefined without any. */
export function seedAnchor({ task, anchors }: Pick<ForecastRequest, "task" | "anchors">): Anchor | undefined {
  return anchors.find(({ kernel }) => kernel.kernelId === task.seedKernel.kernelId) ?? anchors.at(-1);
}

/** Why a candidate has no forecast; a value, for a search goes on. */
export interface ForecastFailure {
  readonly kernelId: string;
  /** Its kind in a word, to count by: `missing`, `order`, `refused`. */
  readonly fault: string;
  /** One line. */
  readonly message: string;
}

export interface ForecastAnswer {
  /** One per candidate that could be forecast, in any order. */
  readonly forecasts: readonly Forecast[];
  readonly cost: ForecastCost;
  /** By a forecaster that learns within a run: one for each forecast. */
  readonly basis?: readonly ForecastBasis[];
  /** Candidates without a forecast, where the forecaster can tell why. */
  readonly failures?: readonly ForecastFailure[];
  /** What was wrong with answers on the way, also where asking again cured it: how often, by kind. */
  readonly faults?: Readonly<Record<string, number>>;
  /** SHA-256 of the prompt that each forecast answers, by kernel id, where there was one. */
  readonly prompts?: ReadonlyMap<string, string>;
}

export interface Forecaster {
  readonly name: string;
  /** Rejects for a broken model or program, never for what a candidate does wrong. */
  forecast(request: ForecastRequest, signal?: AbortSignal): Promise<ForecastAnswer>;
  /** What moved the forecasts, most first, by kernel id; forecasters that can tell have it. */
  explain?(request: ForecastRequest, signal?: AbortSignal): Promise<ReadonlyMap<string, readonly ForecastReason[]>>;
  /** Ends what the forecaster holds, such as a program; idempotent. */
  close?(): Promise<void>;
}

export interface ProposeContext {
  readonly task: Task;
  readonly parent: Anchor;
  /** Index of the first proposal wanted: the k-th proposal of a parent is a function of (seed, parent, k) alone. */
  readonly firstIndex: number;
  readonly count: number;
  readonly seed: number;
  /** For a proposer that learns: what the run knows; then a proposal is a function of it, too. */
  readonly device?: DeviceInfo;
  /** Earlier proposals and what became of them, chosen by the search, oldest first. */
  readonly history?: readonly PastProposal[];
  /** For a proposer that is told of the whole run: kernels proposed earlier of which nothing is known yet. */
  readonly underWay?: readonly Kernel[];
  /** Proposals that are sent back for being other kernels over again: as many new ones are wanted in their place. */
  readonly duplicates?: readonly DuplicateProposal[];
  /** What is left of the run's time, for a proposer that waits. */
  readonly secondsLeft?: number;
}

export interface Proposal {
  readonly candidates: readonly Candidate[];
  /** True when this parent has no further proposals. */
  readonly exhausted: boolean;
  readonly cost: ForecastCost;
  /** Proposals that were asked for and came to nothing, with why. */
  readonly failures?: readonly ProposalFailure[];
}

export interface Proposer {
  readonly name: string;
  /** Reads the history of the run, and takes a duplicate back once to propose something else. */
  readonly learns?: boolean;
  /** Waits for the world outside: the time of a run is real then, on recorded devices, too. */
  readonly waits?: boolean;
  /** Rejects for a broken model or program, never for a proposal that cannot be used. */
  propose(context: ProposeContext, signal?: AbortSignal): Promise<Proposal>;
  /** Ends what the proposer holds, and what waits; idempotent. */
  close?(): Promise<void>;
}

/** What pieces of work of one kind cost together so far. */
export interface PieceCosts {
  readonly pieces: number;
  readonly gpuSeconds: number;
  readonly cpuSeconds: number;
  readonly usd: number;
  /** From asking to the answer, in the run's time. */
  readonly seconds: number;
}

/** What the stages of a run cost so far. */
export interface StageCosts {
  readonly proposing: PieceCosts;
  readonly measuring: PieceCosts;
  readonly compiling: PieceCosts;
  readonly forecasting: PieceCosts;
  /** Forecasts of the stronger surrogate, where there is one. */
  readonly escalating: PieceCosts;
}

/** What one decision expected, in log2 of the incumbent's runtime. */
export interface Outlook {
  /** Of all measurements left together, spent on what is known now. */
  readonly gainLog2: number;
  /** Of the most valuable candidate. */
  readonly bestLog2: number;
  /** Measurements that the first is about. */
  readonly measurements: number;
}

export interface PolicyContext {
  readonly seed: number;
  readonly candidates: readonly Candidate[];
  readonly forecasts: ReadonlyMap<string, Forecast>;
  readonly incumbentUs: number;
  readonly measurementsLeft: number;
  /** For policies that plan. */
  readonly planning?: PlanningContext;
}

/** What a policy that plans is told beyond one batch. */
export interface PlanningContext {
  /** A win needs at least this improvement of log2 runtime over the incumbent. */
  readonly winLog2: number;
  /** Candidates skipped before; they may be decided anew. Their forecasts are among the others. */
  readonly pending: readonly Candidate[];
  /** How alike two kernels are, 0–1, where that is known. */
  readonly likeness?: (one: string, other: string) => number;
  readonly costs: StageCosts;
  /** Whether the user rations measurements by number. */
  readonly rationed: boolean;
  /** What is left for language models, where it is limited. */
  readonly usdLeft?: number;
  /** A stronger surrogate can be asked before this batch is decided. */
  readonly canEscalate: boolean;
  /** Kernels whose forecast is the stronger surrogate's. */
  readonly escalated: ReadonlySet<string>;
  /** The next proposals come when they are asked for; not where other programs hand them in, which may wait for these. */
  readonly proposalsAtHand: boolean;
  /** Who is measured whatever the forecast is drawn by others: the policy draws no audits. */
  readonly unaudited?: true;
  /** Candidates considered so far, without duplicates, and measured ones. */
  readonly considered: number;
  readonly measured: number;
  /** Forecasting was found dearer than measuring: there are none. */
  readonly surrogateOff: boolean;
  /** The candidates were skipped before, and nothing new is proposed. */
  readonly again: boolean;
  /** Of the latest decisions since the incumbent last changed, oldest first. */
  readonly outlooks: readonly Outlook[];
}

/** A batch's decisions with what is behind them. */
export interface PolicyPlan {
  /** One for each candidate, in their order, then those of pending candidates that change. */
  readonly decisions: readonly Decision[];
  readonly outlook?: Outlook;
  /** One line: why no further measurement is worth it. The run ends when what is under way has. */
  readonly stop?: string;
}

/** Whether forecasts are worth their price. */
export interface SurrogateVerdict {
  readonly off: boolean;
  /** One line. */
  readonly message: string;
}

/** Decides which candidates of one batch to measure. Pure. */
export interface Policy {
  readonly name: string;
  /** How many candidates to ask for per parent, and whether they must be forecast first. */
  readonly proposalsPerParent: number;
  readonly needsForecasts: boolean;
  decide(context: PolicyContext): readonly Decision[];
  /** Of a policy that looks beyond one batch; it is asked instead of `decide`, and `planning` is there. */
  plan?(context: PolicyContext): PolicyPlan;
  /** Pending candidates to be forecast anew with a batch, because the run knows more than when they were. */
  refresh?(context: PolicyContext): readonly string[];
  /** Whether forecasts are worth their price; undefined while that is not known, or where they are. */
  judgeSurrogate?(costs: StageCosts, rationed: boolean, measuredShare: number): SurrogateVerdict | undefined;
}

/** One appended fact of a run. `seq` counts from 0 without gaps within a run. */
export interface StoredEvent {
  readonly runId: string;
  readonly seq: number;
  readonly type: string;
  readonly version: number;
  /** Seconds: virtual time on recorded devices, else Unix time. */
  readonly at: number;
  readonly payload: unknown;
}

export interface RunSummary {
  readonly runId: string;
  /** Digest of the configuration: equal commands have equal keys. */
  readonly configKey: string;
  readonly config: unknown;
  readonly createdAt: number;
  readonly finishedAt: number | null;
}

/** Append-only log of runs and content-addressed blobs. What `append` has returned from survives a killed process. */
export interface RunStore {
  createRun(run: {
    readonly runId: string;
    readonly configKey: string;
    readonly config: unknown;
    readonly createdAt: number;
  }): void;
  runs(): readonly RunSummary[];
  run(runId: string): RunSummary | undefined;
  /** Appends in order, atomically; `seq` must continue the run's log. Throws `KernelcastError("store", …)`. */
  append(runId: string, events: readonly Omit<StoredEvent, "runId">[]): void;
  events(runId: string, fromSeq?: number): Iterable<StoredEvent>;
  finishRun(runId: string, at: number): void;
  /**
   * Hands candidates to a run that an `external` proposer feeds, atomically, from any process; returns their numbers, which
   * count from 1 within the run. `last`: none will follow. Throws for a run that is absent, has ended, or was told so before.
   */
  submit(runId: string, candidates: readonly Candidate[], options?: { readonly last?: boolean }): readonly number[];
  /** What was submitted to a run after the number given, in order. */
  submissions(runId: string, after?: number): Submissions;
  /** Stores text by content; returns its SHA-256 in hex. Idempotent. */
  putBlob(text: string): string;
  /** Stores several texts at once, atomically; returns their SHA-256 in order. */
  putBlobs(texts: readonly string[]): readonly string[];
  blob(sha256: string): string | undefined;
  close(): void;
}
