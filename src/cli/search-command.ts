import type { Budget } from "../domain/index.ts";
import { searchTask, type SearchRequest } from "../serve/search-task.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { createProgress } from "./progress.ts";
import { formatResult } from "./search-result.ts";

export interface SearchFlags {
  readonly device: string;
  readonly policy: string;
  readonly forecaster: string;
  readonly forecasterTimeout?: number;
  readonly strongForecaster?: string;
  readonly proposer?: string;
  readonly proposerRecording?: string;
  readonly idleTimeout?: number;
  readonly measurements?: number;
  readonly gpuSeconds?: number;
  readonly cpuSeconds?: number;
  readonly wallSeconds?: number;
  readonly tokens?: number;
  readonly usd?: number;
  readonly trust: string;
  readonly ledger?: string;
  readonly seed: number;
  readonly run?: string;
  readonly fresh: boolean;
  readonly workspace: string;
  readonly python?: string;
  readonly json: boolean;
}

/** Measurements of a search whose user set no limit at all. */
const defaultMeasurements = 32;

/** `kernelcast search`. */
export async function search(this: CliContext, flags: SearchFlags, task: string): Promise<void> {
  const progress = createProgress(this);
  try {
    const { listener, note: onNote } = progress;
    const env = { ...this.process.env };
    const result = await searchTask({ ...toRequest(flags, task), env, signal: this.signal, listener, onNote });
    progress.close();
    if (flags.json) printJson(this, result);
    else for (const line of formatResult(result)) printLine(this, line);
    if (result.stopped === "no-more-proposals")
      note(this, "the proposer had nothing more to propose before a limit was reached");
    for (const line of result.policy_notes ?? []) note(this, line);
  } finally {
    progress.close();
  }
}

function toRequest(flags: SearchFlags, task: string): SearchRequest {
  const { device, policy, forecaster, forecasterTimeout, proposer, proposerRecording, seed, run, fresh } = flags;
  return {
    task,
    device,
    policy,
    forecaster,
    forecasterTimeout,
    strongForecaster: flags.strongForecaster,
    proposer,
    proposerRecording,
    trust: flags.trust,
    ledger: flags.ledger,
    idleTimeout: flags.idleTimeout,
    budget: toBudget(flags),
    seed,
    runId: run,
    fresh,
    workspace: flags.workspace,
    python: flags.python,
  };
}

function toBudget({ measurements, gpuSeconds, cpuSeconds, wallSeconds, tokens, usd }: SearchFlags): Budget {
  const limits = { measurements, gpuSeconds, cpuSeconds, wallSeconds, tokens, usd };
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  return given.length === 0 ? { measurements: defaultMeasurements } : (Object.fromEntries(given) as Budget);
}
