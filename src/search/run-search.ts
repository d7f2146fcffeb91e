import { rejectOnAbort, type DeviceInfo, type Policy, type RunStore } from "../domain/index.ts";
import { recordCandidates } from "./catalog.ts";
import { carryOut, type EffectContext, type SearchStages } from "./effects.ts";
import { eventVersion, type SearchCommand, type SearchConfig, type SearchInput } from "./events.ts";
import { applyInput } from "./reduce.ts";
import { startSearch } from "./start-search.ts";
import { replayRun, type ReplayedRun, type StepListener } from "./replay.ts";
import { createLiveScheduler, createVirtualScheduler, type Scheduler } from "./schedulers.ts";
import type { SearchState } from "./state.ts";
import type { Step } from "./step.ts";
import type { TrustStart } from "./trust.ts";

export interface RunSearchOptions {
  readonly runId: string;
  readonly config: SearchConfig;
  readonly policy: Policy;
  readonly stages: SearchStages;
  readonly store: RunStore;
  readonly signal?: AbortSignal;
  readonly listener?: StepListener;
  /** How far the surrogate is trusted when the run starts; a run that goes on has it in its log. */
  readonly trust?: TrustStart;
}

/**
 * Runs a search to its end, or continues one from its log. Every input is logged, with what it led to, before its
 * commands are carried out: a process that is killed at any moment loses only effects under way, which are repeated under
 * the same ids. Rejects with `KernelcastError` when the environment fails or `signal` aborts; the run can be continued.
 */
export async function runSearch(options: RunSearchOptions): Promise<SearchState> {
  const { runId, stages, store, policy, listener } = options;
  const signal = options.signal ?? new AbortController().signal;
  const scheduler = isVirtual(stages) ? createVirtualScheduler() : createLiveScheduler();
  const log = createLog(store, runId);
  const replayed = replayRun(store, runId, policy, listener);
  const state = replayed ? resume(replayed, options, scheduler, log) : begin(options, scheduler, log);
  beginTrust(options, state, log);
  const context: EffectContext = { stages, store, state, runId, signal, deviceInfo: describeOnce(stages) };
  const start = (command: SearchCommand, issuedAt: number): void =>
    scheduler.start(command.commandId, issuedAt, carryOut(command, context));
  const stopListening = logCalls(options, state, scheduler, log);
  for (const { command, issuedAt } of state.pending.values()) start(command, issuedAt);
  const aborted = rejectOnAbort(signal, "interrupted; give the same command again to go on");
  try {
    while (!state.ended) {
      const { result, at } = await Promise.race([scheduler.next(), aborted]);
      const step = applyInput(state, result.input, at);
      log.append(result.input, step, at);
      listener?.(state, result.input, step);
      for (const command of step.commands) start(command, at);
    }
  } finally {
    stopListening();
  }
  if (store.run(runId)?.finishedAt === null) store.finishRun(runId, state.now);
  return state;
}

/** Logs calls of language models as they end: a run that is killed has them, with what they cost. */
function logCalls(
  { stages, listener }: RunSearchOptions,
  state: SearchState,
  scheduler: Scheduler,
  log: Log,
): () => void {
  if (!stages.calls || state.ended) return () => undefined;
  return stages.calls((call) => {
    const input = { type: "model-call", call } as const;
    const at = isVirtual(stages) ? state.now : scheduler.now();
    const step = applyInput(state, input, at);
    log.append(input, step, at);
    listener?.(state, input, step);
  });
}

/** Durations are recorded ones unless a part of the run takes real time. */
function isVirtual({ device, proposer }: SearchStages): boolean {
  return device.time === "virtual" && !proposer.waits;
}

function begin(options: RunSearchOptions, scheduler: Scheduler, log: Log): SearchState {
  const { config, policy, stages, store, listener } = options;
  const origin = "seed";
  const [seedKernel] = recordCandidates(store, [{ kernel: stages.task.seedKernel, parentId: null, origin }]);
  if (!seedKernel) throw new Error("the task has no seed kernel");
  const input: SearchInput = { type: "run-start", config, seedKernel };
  const at = scheduler.now();
  const { state, step } = startSearch(input, at, policy);
  log.append(input, step, at);
  listener?.(state, input, step);
  return state;
}

/** Logs how far the surrogate is trusted, before anything that depends on it. */
function beginTrust({ trust, listener }: RunSearchOptions, state: SearchState, log: Log): void {
  if (!trust || state.trust || state.ended || state.counts.measured > 0) return;
  const input = { type: "trust-start", ...trust } as const;
  const step = applyInput(state, input, state.now);
  log.append(input, step, state.now);
  listener?.(state, input, step);
}

function resume(
  { state, nextSeq }: ReplayedRun,
  { stages }: RunSearchOptions,
  scheduler: Scheduler,
  log: Log,
): SearchState {
  log.continueAt(nextSeq);
  if (state.ended || isVirtual(stages)) return state;
  const at = scheduler.now();
  log.append({ type: "run-continue" }, applyInput(state, { type: "run-continue" }, at), at);
  return state;
}

interface Log {
  append(input: SearchInput, step: Step, at: number): void;
  continueAt(seq: number): void;
}

function createLog(store: RunStore, runId: string): Log {
  let nextSeq = 0;
  return {
    append(input, step, at) {
      const events = [input, ...step.notes].map((payload, index) => ({
        seq: nextSeq + index,
        type: payload.type,
        version: eventVersion,
        at,
        payload,
      }));
      store.append(runId, events);
      nextSeq += events.length;
    },
    continueAt(seq) {
      nextSeq = seq;
    },
  };
}

function describeOnce(stages: SearchStages): () => Promise<DeviceInfo> {
  let described: Promise<DeviceInfo> | undefined;
  return () => (described ??= stages.device.describe());
}
