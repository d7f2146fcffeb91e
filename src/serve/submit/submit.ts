import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import {
  integerDefines,
  KernelcastError,
  kernelFaults,
  makeKernel,
  suggestion,
  type Candidate,
  type Kernel,
  type Launch,
  type RunStore,
  type RunSummary,
  type Task,
} from "../../domain/index.ts";
import type { SearchConfig } from "../../search/events.ts";
import { openRunStore } from "../../store/sqlite-run-store.ts";
import { isExternal } from "../open-external.ts";
import { followRun, type RunFollower } from "./follow-run.ts";
import { describeSubmission, isSettled, type SubmissionDocument } from "./submission-document.ts";

/** A kernel to hand to a run. */
export interface SubmittedKernel extends SubmittedParts {
  /** What is different, and why it should be faster. */
  readonly idea?: string | undefined;
  /** The kernel that it was made from, by id; by default the seed. */
  readonly parentId?: string | undefined;
  /** The same by what was or is being handed in, where its id is not at hand. */
  readonly parent?: SubmittedParts | undefined;
}

/** What a kernel is made of. */
export interface SubmittedParts {
  /** What messages call it: its file, for example. */
  readonly name: string;
  readonly source: string;
  /** By default the seed kernel's; a function gets the task. */
  readonly launches?: readonly Launch[] | ((task: Task) => readonly Launch[]) | undefined;
  /** By default the seed kernel's. */
  readonly compileOptions?: readonly string[] | undefined;
}

export interface SubmitRequest {
  readonly workspace: string;
  readonly runId: string;
  readonly kernels: readonly SubmittedKernel[];
  /** Hand in those that can be candidates and tell of the others, rather than none. */
  readonly partial?: boolean;
  /** No candidates follow: the run ends when it has dealt with these. */
  readonly last?: boolean;
  /** Answer when it is known what became of each, rather than when they are kept. */
  readonly wait?: boolean;
  /** Seconds to wait at most. */
  readonly timeoutSeconds?: number | undefined;
  readonly signal?: AbortSignal;
  /** Told once the kernels are kept, before anything is waited for. */
  readonly onAcknowledge?: (candidates: readonly SubmissionDocument[]) => void;
}

export interface SubmitResult {
  readonly run_id: string;
  readonly candidates: readonly SubmissionDocument[];
  /** With `partial`: kernels that cannot be candidates, each with the reason in one line. */
  readonly refused?: readonly RefusedKernel[];
  /** Whether the run was told that none follow. */
  readonly done: boolean;
  /** Why the run ended, where it has. */
  readonly ended: string | null;
}

export interface RefusedKernel {
  readonly name: string;
  readonly error: string;
}

/**
 * Hands kernels to a run that was started with the proposer `external`, all or none unless `partial`. When it answers they are kept, whatever becomes
 * of either process. Rejects with `KernelcastError`: `store` for a run that is not there or takes none, `task` for a kernel that cannot
 * be one of the task's, `interrupted`.
 */
export async function submit(request: SubmitRequest): Promise<SubmitResult> {
  const { workspace, runId, last = false } = request;
  const store = openExisting(workspace);
  try {
    const run = findRun(store, workspace, runId);
    const task = taskOf(store, run);
    const follower = followRun(store, runId, task.seedKernel.kernelId);
    const { candidates, refused } = toCandidates(task, follower, store, request);
    const numbers = store.submit(
      runId,
      candidates.map(({ candidate }) => candidate),
      { last },
    );
    const submitted = candidates.map(({ name, candidate }, index) => ({
      number: numbers[index] ?? 0,
      name,
      kernelId: candidate.kernel.kernelId,
    }));
    const describe = (): SubmissionDocument[] => submitted.map((one) => describeSubmission(follower, one));
    request.onAcknowledge?.(describe());
    if (request.wait) await settle(follower, describe, request);
    const candidatesNow = describe();
    const told = request.partial ? { refused } : {};
    return { run_id: runId, candidates: candidatesNow, ...told, done: last, ended: follower.ended() ?? null };
  } finally {
    store.close();
  }
}

function openExisting(workspace: string): RunStore {
  const path = join(workspace, "kernelcast.sqlite");
  if (existsSync(path)) return openRunStore(path);
  throw new KernelcastError("store", `${workspace} holds no runs; name the --workspace of the search`);
}

function findRun(store: RunStore, workspace: string, runId: string): RunSummary {
  const run = store.run(runId);
  if (!run) {
    const takers = store.runs().filter(takesSubmissions);
    const known = takers.map((one) => one.runId);
    const those =
      known.length > 0 ? `it takes candidates for ${known.join(", ")}` : "none of its runs takes candidates";
    throw new KernelcastError("store", `no run named ${runId} in ${workspace}; ${those}${suggestion(runId, known)}`);
  }
  const { proposer } = run.config as SearchConfig;
  if (isExternal(proposer)) return run;
  throw new KernelcastError(
    "store",
    `run ${runId} takes no candidates: it was started with --proposer ${proposer}, not external`,
  );
}

function takesSubmissions({ config, finishedAt }: RunSummary): boolean {
  return finishedAt === null && isExternal((config as SearchConfig).proposer);
}

/** A search that waits for candidates keeps its task, so that whoever submits needs no more than the run's name. */
function taskOf(store: RunStore, { runId, config }: RunSummary): Task {
  const text = store.blob((config as SearchConfig).taskSha256);
  if (text !== undefined) return JSON.parse(text) as Task;
  throw new KernelcastError("store", `run ${runId} has not kept its task; start its search again`);
}

interface Checked {
  readonly candidates: readonly { readonly name: string; readonly candidate: Candidate }[];
  readonly refused: readonly RefusedKernel[];
}

/** Checks the kernels and finds their parents, which the run has, was handed before, or is being handed now. */
function toCandidates(
  task: Task,
  follower: RunFollower,
  store: RunStore,
  { runId, kernels, partial = false }: SubmitRequest,
): Checked {
  const refused: RefusedKernel[] = [];
  const attempt = <T>(name: string, build: () => T): T[] => {
    try {
      return [build()];
    } catch (cause) {
      if (!partial || !KernelcastError.isInstance(cause)) throw cause;
      refused.push({ name, error: cause.message });
      return [];
    }
  };
  const built = kernels.flatMap((parts) =>
    attempt(parts.name, () => ({ parts, kernel: toKernel(task, parts), parentId: parentIdOf(task, parts) })),
  );
  const handedIn = store.submissions(runId).submissions.map(({ candidate }) => candidate.kernel.kernelId);
  const known = new Set([...follower.kernelIds(), ...handedIn, ...built.map(({ kernel }) => kernel.kernelId)]);
  const candidates = built.flatMap(({ parts, kernel, parentId }) =>
    attempt(parts.name, () => {
      checkParent(parts, parentId, kernel.kernelId, known, runId);
      const { name, idea } = parts;
      const candidate = { kernel, parentId, ...(idea === undefined ? {} : { idea }), origin: "external" };
      return { name, candidate };
    }),
  );
  return { candidates, refused };
}

function parentIdOf(task: Task, { parentId, parent }: SubmittedKernel): string | null {
  return parentId ?? (parent && toKernel(task, parent).kernelId) ?? null;
}

function checkParent(
  { name, parent }: SubmittedKernel,
  parentId: string | null,
  ownId: string,
  known: ReadonlySet<string>,
  runId: string,
): void {
  if (parentId === null) return;
  const said = parent ? `${name}: its parent ${parent.name}` : `--parent ${parentId}`;
  if (!known.has(parentId)) {
    const advice = parent ? "; hand it in before, or in the same command" : suggestion(parentId, [...known]);
    throw new KernelcastError("usage", `${said}: run ${runId} has no such kernel${advice}`);
  }
  if (parentId === ownId) throw new KernelcastError("usage", `${said}: it is its own parent`);
}

function toKernel(task: Task, kernel: SubmittedParts): Kernel {
  const { name, source } = kernel;
  const { launches = task.seedKernel.launches, compileOptions = task.seedKernel.compileOptions } = kernel;
  const parts = { source, launches: typeof launches === "function" ? launches(task) : launches, compileOptions };
  const faults = kernelFaults(task, parts);
  if (faults.length > 0) {
    const advice = kernel.launches ? "" : " (the launches are the seed kernel's; give others with --launch)";
    throw new KernelcastError("task", `${name}: ${faults.join("; ")}${advice}`);
  }
  return makeKernel(parts, { ...integerDefines(compileOptions), ...task.workload.sizes });
}

const pollSeconds = 0.1;

async function settle(
  follower: RunFollower,
  describe: () => readonly SubmissionDocument[],
  { timeoutSeconds = Number.POSITIVE_INFINITY, signal, runId }: SubmitRequest,
): Promise<void> {
  const deadline = performance.now() + 1000 * timeoutSeconds;
  for (;;) {
    follower.refresh();
    if (describe().every(isSettled) || performance.now() >= deadline) return;
    await pause(1000 * pollSeconds, undefined, signal ? { signal } : {}).catch(() => {
      throw new KernelcastError("interrupted", `interrupted; run ${runId} keeps what was submitted`);
    });
  }
}
