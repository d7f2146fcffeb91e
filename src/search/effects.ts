import type {
  CompileOutcome,
  Device,
  DeviceInfo,
  ForecastAnswer,
  Forecaster,
  LanguageModelCall,
  ProposeContext,
  Proposer,
  RunStore,
  Spending,
  Task,
} from "../domain/index.ts";
import { loadAnchor, loadDuplicates, loadHistory, loadKernel, recordCandidates } from "./catalog.ts";
import type { SearchCommand, SearchInput } from "./events.ts";
import type { SearchState } from "./state.ts";

/** The stages of one run, wired together. */
export interface SearchStages {
  readonly task: Task;
  readonly device: Device;
  readonly proposer: Proposer;
  readonly forecaster: Forecaster | undefined;
  /** Asked where its answer could change a decision of a policy that plans. */
  readonly strongForecaster?: Forecaster | undefined;
  /** Calls of language models as they end; what they cost is then left out of the costs that stages tell. */
  readonly calls?: CallFeed;
}

/** Hands on calls of language models, also those that ended before anyone listened. Returns how to stop. */
export type CallFeed = (listener: (call: LanguageModelCall) => void) => () => void;

/** What carrying out a command gave, and how many seconds it takes in virtual time. */
export interface EffectResult {
  readonly input: Exclude<SearchInput, { type: "run-start" | "trust-start" | "model-call" }>;
  readonly seconds: number;
}

export interface EffectContext {
  readonly stages: SearchStages;
  readonly store: RunStore;
  readonly state: SearchState;
  readonly runId: string;
  readonly signal: AbortSignal;
  readonly deviceInfo: () => Promise<DeviceInfo>;
}

/** Carries out one command on the stages. Rejects only for broken environments; what a kernel does wrong is a value. */
export function carryOut(command: SearchCommand, context: EffectContext): Promise<EffectResult> {
  switch (command.type) {
    case "propose":
      return propose(command, context);
    case "forecast":
      return forecast(command, context);
    case "compile":
      return compile(command, context);
    case "measure":
      return measure(command, context);
    default:
      return Promise.reject(new Error("unknown command"));
  }
}

type Command<T extends SearchCommand["type"]> = Extract<SearchCommand, { type: T }>;

async function propose(command: Command<"propose">, context: EffectContext): Promise<EffectResult> {
  const { stages, store, state, signal } = context;
  const { commandId, parentId, firstIndex, count } = command;
  const { seed } = state.config;
  const { task, proposer } = stages;
  const parent = loadAnchor(store, state, parentId);
  const asked = { task, parent, firstIndex, count, seed, ...timeLeft(state) };
  const proposal = await proposer.propose({ ...asked, ...(await knowledge(command, context)) }, signal);
  const candidates = recordCandidates(store, proposal.candidates, state.policy.plan !== undefined);
  const { exhausted, failures = [] } = proposal;
  const input = {
    type: "proposal-end",
    commandId,
    candidates,
    exhausted,
    ...(proposer.learns ? { revises: true } : {}),
    ...(failures.length > 0 ? { failures } : {}),
    spent: costIn(stages.device, proposal.cost),
  } as const;
  return { input, seconds: 0 };
}

/** What a proposer that learns is told beside its parent. The state is read before anything is awaited: it moves on. */
async function knowledge(
  command: Command<"propose">,
  { stages, store, state, deviceInfo }: EffectContext,
): Promise<Pick<ProposeContext, "device" | "history" | "underWay" | "duplicates">> {
  if (!stages.proposer.learns) return {};
  const history = loadHistory(store, state, command.historyIds);
  const known = new Set(history.map(({ kernel }) => kernel.kernelId));
  const unknown = command.historyIds.filter((kernelId) => !known.has(kernelId));
  const underWay = unknown.map((kernelId) => loadKernel(store, state, kernelId));
  const duplicates = loadDuplicates(store, state, command.duplicates ?? []);
  return { device: await deviceInfo(), history, underWay, duplicates };
}

function timeLeft({ config, now, startedAt }: SearchState): Pick<ProposeContext, "secondsLeft"> {
  const limit = config.budget.wallSeconds;
  return limit === undefined ? {} : { secondsLeft: Math.max(0, limit - (now - startedAt)) };
}

async function forecast(command: Command<"forecast">, context: EffectContext): Promise<EffectResult> {
  const { stages, store, state, signal } = context;
  const { commandId, kernelIds, anchorIds } = command;
  const { task } = stages;
  const forecaster = command.strong ? stages.strongForecaster : stages.forecaster;
  if (!forecaster) throw new Error(`policy ${state.policy.name} needs a forecaster`);
  // Read before anything is awaited: the state moves on meanwhile.
  const anchors = anchorIds.map((id) => loadAnchor(store, state, id));
  const candidates = kernelIds.map((id) => loadKernel(store, state, id));
  const outcomes = state.outcomes.slice(-taughtOutcomes);
  const device = await context.deviceInfo();
  const answer = await forecaster.forecast({ task, device, anchors, candidates, outcomes }, signal);
  const spent = costIn(stages.device, answer.cost);
  const { forecasts, basis } = answer;
  return {
    input: { type: "forecast-end", commandId, forecasts, ...(basis ? { basis } : {}), ...remarks(answer), spent },
    seconds: 0,
  };
}

/** What an answer tells beside forecasts; nothing where there is nothing. */
function remarks({ failures = [], faults = {}, prompts = new Map() }: ForecastAnswer) {
  return {
    ...(failures.length > 0 ? { failures } : {}),
    ...(Object.keys(faults).length > 0 ? { faults } : {}),
    ...(prompts.size > 0 ? { prompts: Object.fromEntries(prompts) as Readonly<Record<string, string>> } : {}),
  };
}

/** Latest outcomes that a forecaster is taught by: more would say little and make the work of a long run quadratic. */
const taughtOutcomes = 512;

/** In virtual time only recorded durations count: this machine's own would make equal runs differ. */
function costIn(device: Device, cost: Partial<Spending>): Partial<Spending> {
  return device.time === "virtual" ? { ...cost, cpuSeconds: 0 } : cost;
}

async function compile(
  command: Command<"compile">,
  { stages, store, state, signal }: EffectContext,
): Promise<EffectResult> {
  const { commandId, kernelIds } = command;
  const kernels = kernelIds.map((id) => loadKernel(store, state, id));
  const outcomes = await stages.device.compile(stages.task, kernels, signal);
  const seconds = outcomes.map(compileSeconds);
  const cpuSeconds = seconds.reduce((sum, value) => sum + value, 0);
  return {
    input: { type: "compile-end", commandId, outcomes, spent: { cpuSeconds } },
    seconds: Math.max(0, ...seconds),
  };
}

function compileSeconds(outcome: CompileOutcome): number {
  return outcome.ok ? (outcome.evidence.compileMs ?? 0) / 1000 : 0;
}

async function measure(command: Command<"measure">, context: EffectContext): Promise<EffectResult> {
  const { stages, store, state, runId, signal } = context;
  const { commandId, kernelId, mode, anchorId, sealed } = command;
  const measurement = await stages.device.measure(
    {
      requestId: `${runId}/${commandId}`,
      task: stages.task,
      kernel: loadKernel(store, state, kernelId),
      mode,
      ...(sealed === undefined ? {} : { sealed }),
      ...(anchorId === null ? {} : { anchor: loadAnchor(store, state, anchorId) }),
    },
    signal,
  );
  return { input: { type: "measurement-end", commandId, measurement }, seconds: measurement.cost.gpuSeconds };
}
