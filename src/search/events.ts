import type {
  Budget,
  CompileOutcome,
  Decision,
  DuplicateBy,
  Forecast,
  ForecastBasis,
  ForecastFailure,
  LanguageModelCall,
  Launch,
  Measurement,
  Outlook,
  ProposalFailure,
  Spending,
  TrustLabel,
  TrustLevel,
} from "../domain/index.ts";
import type { TrustChange } from "../decide/trust/trust-tracker.ts";
import type { TrustMode, TrustStart } from "./trust.ts";

/** Configuration of a run: everything that decides what it does. Equal configurations make equal decisions on recorded devices. */
export interface SearchConfig {
  readonly taskId: string;
  /** Digest of the task's content. */
  readonly taskSha256: string;
  readonly device: string;
  readonly proposer: string;
  readonly forecaster: string;
  readonly policy: string;
  /** The stronger surrogate that a policy may ask; absent without one. */
  readonly strongForecaster?: string;
  /** How far the surrogate may decide; absent where nothing asks. */
  readonly trust?: TrustMode;
  readonly seed: number;
  readonly budget: Budget;
  /** A win needs at least this improvement of log2 runtime over the incumbent: log2(1.02) for 2 %. */
  readonly winLog2: number;
  /** Measurements under way at once. */
  readonly measureConcurrency: number;
  /** Batches (parents) under way at once. */
  readonly openBatches: number;
  /** How parents are chosen: by tree search, or by tournaments. */
  readonly strategy:
    | { readonly explore: number; readonly archive: number }
    | { readonly tournament: number; readonly population: number };
}

/** A candidate as events carry it: its source is in the blob store. */
export interface CandidateRecord {
  readonly kernelId: string;
  readonly parentId: string | null;
  readonly sourceSha256: string;
  /** Digest of the normalised source with launches and options: equal for sources that differ in comments and spacing. */
  readonly normalisedSha256: string;
  readonly launches: readonly Launch[];
  readonly compileOptions: readonly string[];
  readonly idea?: string;
  readonly origin: string;
  /** Fingerprint by which likeness is told, for policies that plan; see `check/sketch.ts`. */
  readonly sketch?: string;
}

/** Results of effects: what the outside world told the search. Logged before they are applied. */
export type SearchInput =
  | { readonly type: "run-start"; readonly config: SearchConfig; readonly seedKernel: CandidateRecord }
  /** A process took a live run up again that an earlier one had left. */
  | { readonly type: "run-continue" }
  /** How far the surrogate is trusted as the run starts. */
  | ({ readonly type: "trust-start" } & TrustStart)
  /** A call of a language model has ended; logged when it does, so that what it cost is never lost. */
  | { readonly type: "model-call"; readonly call: LanguageModelCall }
  | {
      readonly type: "proposal-end";
      readonly commandId: string;
      readonly candidates: readonly CandidateRecord[];
      readonly exhausted: boolean;
      /** The proposer takes duplicates back once; logs of others lack it. */
      readonly revises?: boolean;
      readonly failures?: readonly ProposalFailure[];
      readonly spent: Partial<Spending>;
    }
  | {
      readonly type: "forecast-end";
      readonly commandId: string;
      readonly forecasts: readonly Forecast[];
      /** Of a forecaster that learns within the run; logs of others lack it. */
      readonly basis?: readonly ForecastBasis[];
      /** Candidates without a forecast, where the forecaster can tell why. */
      readonly failures?: readonly ForecastFailure[];
      /** What was wrong with its answers on the way: how often, by kind. */
      readonly faults?: Readonly<Record<string, number>>;
      /** SHA-256 of the prompt that each forecast answers, by kernel id. */
      readonly prompts?: Readonly<Record<string, string>>;
      readonly spent: Partial<Spending>;
    }
  | {
      readonly type: "compile-end";
      readonly commandId: string;
      readonly outcomes: readonly CompileOutcome[];
      readonly spent: Partial<Spending>;
    }
  | { readonly type: "measurement-end"; readonly commandId: string; readonly measurement: Measurement };

/** What the search concluded; recomputed identically when a log is replayed. */
export type SearchNote =
  | { readonly type: "batch-open"; readonly batchId: string; readonly parentId: string; readonly score: number }
  | {
      readonly type: "candidate-duplicate";
      readonly kernelId: string;
      readonly of: string;
      readonly by: DuplicateBy;
    }
  | { readonly type: "decision"; readonly batchId: string; readonly decision: Decision }
  | {
      readonly type: "incumbent-change";
      readonly kernelId: string;
      readonly runtimeUs: number;
      readonly previousId: string | null;
      readonly confirmed: boolean;
    }
  /** What a decision of a policy that plans expected of the measurements left. */
  | ({ readonly type: "outlook"; readonly batchId: string } & Outlook)
  /** A forecast and the would-be decision, sealed before the result is known: each link is a digest of the one before. */
  | {
      readonly type: "forecast-seal";
      readonly kernelId: string;
      readonly previous: string;
      readonly seal: string;
      readonly incumbentUs: number;
      readonly skip: boolean;
      readonly level: TrustLevel;
      readonly probability: number;
    }
  /** What came of a sealed forecast. */
  | { readonly type: "trust-label"; readonly label: TrustLabel }
  | {
      readonly type: "trust-change";
      readonly change: TrustChange;
      readonly by: "labels" | "guard";
      /** Of the label that brought it. */
      readonly seal: string;
    }
  /** Forecasts were found dearer than measuring. */
  | { readonly type: "surrogate-verdict"; readonly off: boolean; readonly message: string }
  /** Why the policy ends the run. */
  | { readonly type: "policy-stop"; readonly message: string }
  | { readonly type: "run-end"; readonly reason: StopReason };

export type StopReason = keyof Budget | "seed-failed" | "no-more-proposals" | "little-to-gain";

/** A proposal that is another kernel over again. */
export interface DuplicateRecord {
  readonly record: CandidateRecord;
  readonly of: string;
  readonly by: DuplicateBy;
}

/** What the search wants done. Ids are functions of the search's state, so a replay issues the same ones. */
export type SearchCommand =
  | {
      readonly type: "propose";
      readonly commandId: string;
      readonly parentId: string;
      readonly firstIndex: number;
      readonly count: number;
      /** Earlier candidates that a proposer which learns is told of. */
      readonly historyIds: readonly string[];
      /** Proposals that are sent back; as many new ones are asked for. */
      readonly duplicates?: readonly DuplicateRecord[];
    }
  | {
      readonly type: "forecast";
      readonly commandId: string;
      readonly kernelIds: readonly string[];
      readonly anchorIds: readonly string[];
      /** The stronger surrogate is asked. */
      readonly strong?: true;
    }
  | { readonly type: "compile"; readonly commandId: string; readonly kernelIds: readonly string[] }
  | {
      readonly type: "measure";
      readonly commandId: string;
      readonly kernelId: string;
      readonly mode: "screen" | "confirm";
      readonly anchorId: string | null;
      /** Seal of the forecast, which the receipt echoes. */
      readonly sealed?: string;
    };

/** Version of the event payloads; a log of another version is not replayed. */
export const eventVersion = 3;
