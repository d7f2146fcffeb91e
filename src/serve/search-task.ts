import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createPolicy, policyNames, type PolicyName } from "../decide/policies.ts";
import {
  canonicalJson,
  fileFault,
  KernelcastError,
  sha256Hex,
  suggestion,
  type Budget,
  type Forecaster,
  type Policy,
  type Proposer,
  type Recording,
  type Task,
} from "../domain/index.ts";
import { loadRecording } from "../formats/load-recording.ts";
import { renderReport } from "../report/render-report.ts";
import { chooseRun } from "../search/choose-run.ts";
import { searchDefaults, virtualOpenBatches } from "../search/defaults.ts";
import type { SearchStages } from "../search/effects.ts";
import type { SearchConfig } from "../search/events.ts";
import type { StepListener } from "../search/replay.ts";
import type { TrustMode } from "../search/trust.ts";
import { runSearch } from "../search/run-search.ts";
import { summarise, type SearchSummary } from "../search/summary.ts";
import { makeFolder } from "../store/make-folder.ts";
import { openDevice, type OpenedDevice } from "./open-device.ts";
import { checkForecaster, openForecaster } from "./open-forecaster.ts";
import { isExternal, openExternal } from "./open-external.ts";
import { chargeEarlier, countedByCalls, namesModel, openModelSession, type ModelSession } from "./language-models.ts";
import { checkProposer, defaultProposer, openModelProposer, openProposer, writesKernels } from "./open-proposer.ts";
import { openTask, requireTask, taskIdOf } from "./open-task.ts";
import { stopWhenSilent } from "./stop-when-silent.ts";
import { openRunTrust, type OpenedRunTrust } from "./trust/run-trust.ts";
import { openWorkspace, type Workspace } from "./workspace.ts";

/** What a user asks of a search; the same for the command line, the library and, later, the server. */
export interface SearchRequest {
  /** Task folder or id. */
  readonly task: string;
  readonly device: string;
  readonly policy: string;
  readonly forecaster: string;
  /** How long a forecaster of `command:` may take for one answer, in seconds. */
  readonly forecasterTimeout?: number | undefined;
  /** A stronger forecaster, which a policy that plans asks where its answer could change a decision. */
  readonly strongForecaster?: string | undefined;
  readonly proposer?: string | undefined;
  /** A recording to propose from on a live device. */
  readonly proposerRecording?: string | undefined;
  /** With the proposer `external`: seconds without a candidate after which the run ends; by default it waits. */
  readonly idleTimeout?: number | undefined;
  /** How far the forecaster may decide; without it, as its policy says, and nothing is sealed. */
  readonly trust?: string | undefined;
  /** File of the ledger of trust; by default in the workspace. */
  readonly ledger?: string | undefined;
  /** Leaves out of the ledger what the package's forecasters have earned before. */
  readonly unearned?: boolean | undefined;
  readonly budget: Budget;
  readonly seed: number;
  readonly workspace: string;
  readonly runId?: string | undefined;
  readonly fresh?: boolean | undefined;
  readonly python?: string | undefined;
  /** Where keys of language models are read from; by default the process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly listener?: StepListener;
  /** One line for people: a worker that died and is started again, a warning of its. */
  readonly onNote?: (line: string) => void;
}

export type SearchResult = SearchSummary & { readonly report: string };

const liveConcurrency = 8;

/** Runs or continues a search and writes its report. Rejects with `KernelcastError`; nothing acknowledged is lost. */
export async function searchTask(request: SearchRequest): Promise<SearchResult> {
  const policy = createPolicy(policyName(request.policy));
  checkForecaster(request.forecaster);
  checkStrong(request, policy);
  checkRequest(request);
  trustMode(request.trust);
  if (!request.device.startsWith("recorded")) requireTask(request.task);
  const workspace = openWorkspace(request.workspace);
  try {
    const opened = await openDeviceOf(request, workspace);
    try {
      return await withModels(request, policy, (models) => searchOn(opened, workspace, policy, { ...request, models }));
    } finally {
      await opened.device.close();
    }
  } finally {
    workspace.store.close();
  }
}

/** Opens what asks language models, where something does; answers are kept in the workspace. */
async function withModels<T>(
  { proposer, forecaster, strongForecaster, workspace, budget, env, seed }: SearchRequest,
  policy: Policy,
  work: (models: ModelSession | undefined) => Promise<T>,
): Promise<T> {
  const names = [proposer, ...(policy.needsForecasts ? [forecaster, strongForecaster] : [])];
  const session = await openModelSession(names, { workspace, budget, env, seed });
  try {
    return await work(session);
  } finally {
    session?.close();
  }
}

type OpenRequest = SearchRequest & { readonly models: ModelSession | undefined };

function checkStrong({ strongForecaster }: SearchRequest, policy: Policy): void {
  if (strongForecaster === undefined) return;
  checkForecaster(strongForecaster);
  if (!policy.plan)
    throw new KernelcastError(
      "usage",
      `--strong-forecaster: the policy ${policy.name} asks one forecaster only; use --policy gate`,
    );
}

function checkRequest({ proposer, proposerRecording, idleTimeout }: SearchRequest): void {
  if (proposer !== undefined) checkProposer(proposer);
  if (proposerRecording !== undefined && isExternal(proposer))
    throw new KernelcastError(
      "usage",
      "--proposer external takes candidates from other programs, not from a recording",
    );
  if (idleTimeout !== undefined && !isExternal(proposer))
    throw new KernelcastError("usage", "--idle-timeout is for --proposer external, which waits for candidates");
}

async function openDeviceOf(request: SearchRequest, workspace: Workspace): Promise<OpenedDevice> {
  try {
    return await openDevice(request.device, {
      python: request.python,
      taskIds: [taskIdOf(request.task)],
      unmeasured: writesKernels(request.proposer) ? "fail" : "throw",
      onReceipt: (text) => void workspace.store.putBlob(text),
      ...(request.onNote ? { onNote: request.onNote } : {}),
    });
  } catch (cause) {
    // A recording that lacks the task says which it has; a path that is no folder is the likelier mistake.
    if (KernelcastError.isInstance(cause) && cause.code === "task") requireTask(request.task);
    throw cause;
  }
}

async function searchOn(
  opened: OpenedDevice,
  workspace: Workspace,
  policy: Policy,
  request: OpenRequest,
): Promise<SearchResult> {
  const proposals =
    request.proposerRecording === undefined
      ? opened.recording
      : await loadRecording(request.proposerRecording, { tasks: [taskIdOf(request.task)] });
  const task = await openTask(request.task, opened.recording ?? proposals);
  const proposer = request.proposer ?? defaultProposer(task, proposals);
  const config = configure(request, policy, task, opened, proposer);
  const deviceName = opened.recording && (await opened.device.describe()).name;
  const stages = {
    task,
    device: opened.device,
    // What other programs hand in belongs to a run, which is chosen last.
    proposer: isExternal(proposer) ? undefined : await openAny(proposer, task, proposals, deviceName, request),
    ...(await forecastersOf(request, policy)),
    ...(request.models ? { calls: request.models.calls } : {}),
  };
  try {
    return await runOn(stages, policy, config, workspace, request);
  } finally {
    await stages.forecaster?.close?.();
    await stages.strongForecaster?.close?.();
  }
}

async function openAny(
  text: string,
  task: Task,
  proposals: Recording | undefined,
  deviceName: string | undefined,
  { models }: OpenRequest,
): Promise<Proposer> {
  if (models && namesModel(text)) return openModelProposer(text, models.models);
  return openProposer(text, task, proposals, deviceName);
}

async function forecastersOf(
  request: OpenRequest,
  { needsForecasts }: Policy,
): Promise<Pick<SearchStages, "forecaster" | "strongForecaster">> {
  if (!needsForecasts) return { forecaster: undefined };
  const { strongForecaster: strong } = request;
  const forecaster = await forecasterOf(request.forecaster, request);
  return { forecaster, ...(strong === undefined ? {} : { strongForecaster: await forecasterOf(strong, request) }) };
}

async function forecasterOf(text: string, request: OpenRequest): Promise<Forecaster> {
  const { forecasterTimeout: limitSeconds, signal, models, env } = request;
  const options = { limitSeconds, signal, models: models?.models, ...(env ? { env } : {}) };
  const forecaster = await openForecaster(text, options);
  return namesModel(text) ? stopWhenSilent(countedByCalls(forecaster)) : forecaster;
}

async function runOn(
  opened: Omit<SearchStages, "proposer"> & { readonly proposer: Proposer | undefined },
  policy: Policy,
  config: SearchConfig,
  workspace: Workspace,
  request: OpenRequest,
): Promise<SearchResult> {
  const { store } = workspace;
  const { task } = opened;
  // A run keeps its task, so that others who know its name can make candidates for it.
  store.putBlob(canonicalJson(task));
  const { runId } = chooseRun(store, config, {
    createdAt: Date.now() / 1000,
    ...(request.runId === undefined ? {} : { runId: request.runId }),
    ...(request.fresh === undefined ? {} : { fresh: request.fresh }),
  });
  if (request.models) chargeEarlier(request.models, store, runId);
  const { idleTimeout: idleSeconds, onNote } = request;
  const folder = workspace.folder;
  const proposer =
    opened.proposer ?? openExternal(config.proposer, { store, runId, task, workspace: folder, idleSeconds, onNote });
  const stages = { ...opened, proposer };
  const state = await closing(proposer, () =>
    withTrust(request, config, stages, runId, (trust) =>
      runSearch({ runId, config, policy, stages, store, ...observersOf(request, trust) }),
    ),
  );
  const summary = summarise(runId, state);
  if (state.ended === "seed-failed") throw seedFailed(task, state.seedFailure);
  return { ...summary, report: await writeReport(workspace, runId, task) };
}

/** Opens the ledger of trust, where the run asks for it. */
async function withTrust<T>(
  request: SearchRequest,
  { trust: mode, forecaster }: SearchConfig,
  { device, task }: SearchStages,
  runId: string,
  work: (trust: OpenedRunTrust | undefined) => Promise<T>,
): Promise<T> {
  if (mode === undefined) return work(undefined);
  const ledgerPath = request.ledger ?? join(request.workspace, "trust.sqlite");
  const { unearned } = request;
  const trust = await openRunTrust({ ledgerPath, unearned, mode, forecaster, device, task, runId });
  try {
    return await work(trust);
  } finally {
    trust.close();
  }
}

function observersOf({ signal, listener }: SearchRequest, trust: OpenedRunTrust | undefined) {
  const both: StepListener = (...step) => {
    trust?.listener(...step);
    listener?.(...step);
  };
  return {
    ...(signal ? { signal } : {}),
    ...(trust || listener ? { listener: both } : {}),
    ...(trust ? { trust: trust.start } : {}),
  };
}

async function closing<T>(proposer: Proposer, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await proposer.close?.();
  }
}

function configure(
  request: SearchRequest,
  policy: Policy,
  task: Task,
  { device }: OpenedDevice,
  proposer: string,
): SearchConfig {
  const virtual = device.time === "virtual";
  const trust = trustMode(request.trust);
  return {
    taskId: task.taskId,
    taskSha256: sha256Hex(canonicalJson(task)),
    device: request.device,
    proposer: request.proposerRecording === undefined ? proposer : `${proposer}:${request.proposerRecording}`,
    forecaster: request.forecaster,
    policy: request.policy,
    ...(request.strongForecaster === undefined ? {} : { strongForecaster: request.strongForecaster }),
    ...(trust !== undefined && policy.needsForecasts ? { trust } : {}),
    seed: request.seed,
    budget: request.budget,
    measureConcurrency: Math.min(device.concurrency, liveConcurrency),
    openBatches: virtual ? virtualOpenBatches : 2,
    ...searchDefaults,
  };
}

const trustModes: readonly TrustMode[] = ["shadow", "canary", "live", "auto"];

function trustMode(name: string | undefined): TrustMode | undefined {
  if (name === undefined) return undefined;
  const known = trustModes.find((mode) => mode === name);
  if (known) return known;
  throw new KernelcastError(
    "usage",
    `--trust ${name}: unknown (known: ${trustModes.join(", ")})${suggestion(name, trustModes)}`,
  );
}

function policyName(name: string): PolicyName {
  const known = policyNames.find((policy) => policy === name);
  if (known) return known;
  throw new KernelcastError(
    "usage",
    `--policy ${name}: unknown (known: ${policyNames.join(", ")})${suggestion(name, policyNames)}`,
  );
}

function seedFailed(task: Task, failure: string | undefined): KernelcastError {
  return new KernelcastError(
    "task",
    `the seed kernel of ${task.taskId} failed, so there is nothing to improve: ${failure ?? "unknown"}`,
  );
}

async function writeReport(workspace: Workspace, runId: string, task: Task): Promise<string> {
  const folder = workspace.runFolder(runId);
  const path = join(folder, "report.html");
  try {
    makeFolder(folder);
    await writeFile(path, renderReport(workspace.store, runId, task));
  } catch (cause) {
    if (KernelcastError.isInstance(cause)) throw cause;
    throw new KernelcastError(
      "store",
      `cannot write the report ${path}: ${fileFault(cause)}; the run is kept, and the same command writes it again`,
      { cause },
    );
  }
  return path;
}
