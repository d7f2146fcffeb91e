import { noSpending, type Policy } from "../domain/index.ts";
import type { SearchInput } from "./events.ts";
import { emptyLedger } from "./model-ledger.ts";
import { emptyPlanning } from "./planning.ts";
import type { SearchState } from "./state.ts";
import { issue, type Step, type StepBuilder } from "./step.ts";
import { createStrategy } from "./strategy.ts";

type RunStart = Extract<SearchInput, { type: "run-start" }>;

/** The state before the first measurement, and the command that measures the seed. */
export function startSearch(
  input: RunStart,
  at: number,
  policy: Policy,
): { readonly state: SearchState; readonly step: Step } {
  const { config, seedKernel } = input;
  const state: SearchState = {
    config,
    policy,
    tree: createStrategy(config),
    candidates: new Map(),
    byText: new Map([[seedKernel.normalisedSha256, seedKernel.kernelId]]),
    byMachineCode: new Map(),
    okIds: [],
    contenders: new Set(),
    outcomes: [],
    proposalsOf: new Map(),
    resultsOf: new Map(),
    resultIds: new Set(),
    recentFailures: [],
    ledger: emptyLedger(),
    batches: new Map(),
    waiting: [],
    pending: new Map(),
    counts: { considered: 0, measured: 0, skipped: 0, audited: 0, duplicates: 0, failed: 0 },
    startedAt: at,
    now: at,
    spent: noSpending,
    nextBatch: 0,
    seedId: seedKernel.kernelId,
    incumbentId: undefined,
    seedFailure: undefined,
    barrenBatches: 0,
    repeatedBatches: 0,
    lostProposals: 0,
    closingConfirmation: false,
    reconsiders: true,
    planning: emptyPlanning(),
    ended: undefined,
  };
  state.candidates.set(seedKernel.kernelId, {
    record: seedKernel,
    batchId: null,
    status: "measuring",
    confirmed: false,
  });
  const step: StepBuilder = { commands: [], notes: [] };
  issue(state, step, {
    type: "measure",
    commandId: `screen:${seedKernel.kernelId}`,
    kernelId: seedKernel.kernelId,
    mode: "screen",
    anchorId: null,
  });
  return { state, step };
}
