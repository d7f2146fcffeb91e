import { canonicalJson, KernelcastError, sha256Hex, type RunStore, type RunSummary } from "../domain/index.ts";
import type { SearchConfig } from "./events.ts";

export interface ChooseRunOptions {
  /** A run that the user named: continued when it exists, else created. */
  readonly runId?: string;
  /** Start a new run even when an equal one is unfinished. */
  readonly fresh?: boolean;
  readonly createdAt: number;
}

/** Digest of a configuration: equal commands have equal keys. */
function configKey(config: SearchConfig): string {
  return sha256Hex(canonicalJson(config));
}

/**
 * The run that a command means: the one it names, else the newest unfinished run of an equal configuration, else a new
 * one. Throws `KernelcastError("usage", …)` when the named run has another configuration, or a name that cannot be a folder's.
 */
export function chooseRun(store: RunStore, config: SearchConfig, options: ChooseRunOptions): RunSummary {
  const key = configKey(config);
  checkName(options.runId);
  const runs = store.runs();
  const named = runs.find(({ runId }) => runId === options.runId);
  if (named) return checkSame(named, config, key);
  const unfinished = runs.findLast((run) => run.configKey === key && run.finishedAt === null);
  if (options.runId === undefined && !options.fresh && unfinished) return unfinished;
  const runId = options.runId ?? newRunId(config, key, new Set(runs.map((run) => run.runId)));
  store.createRun({ runId, configKey: key, config, createdAt: options.createdAt });
  return { runId, configKey: key, config, createdAt: options.createdAt, finishedAt: null };
}

/** A run's name is also its folder's, so it must stay in the workspace. */
function checkName(runId: string | undefined): void {
  if (runId === undefined || /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(runId)) return;
  throw new KernelcastError(
    "usage",
    `--run ${runId}: a run's name has letters, digits, ".", "_" and "-" only, and at most 100 of them`,
  );
}

function newRunId(config: SearchConfig, key: string, taken: ReadonlySet<string>): string {
  const base = `${nameOf(config.taskId)}-${key.slice(0, 6)}`;
  if (!taken.has(base)) return base;
  let number = 2;
  while (taken.has(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}

/** A task's id as part of a run's name: those of foreign recordings may hold anything, `/` and `..` too. */
function nameOf(taskId: string): string {
  const plain = taskId.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[.-]+/, "");
  return plain === "" ? "task" : plain.slice(0, 60);
}

function checkSame(run: RunSummary, config: SearchConfig, key: string): RunSummary {
  if (run.configKey === key) return run;
  const before = run.config as Readonly<Record<string, unknown>>;
  const changed = Object.entries(config).find(([name, value]) => canonicalJson(before[name]) !== canonicalJson(value));
  const what = changed
    ? `${changed[0]} was ${JSON.stringify(before[changed[0]])}, now ${JSON.stringify(changed[1])}`
    : "other settings";
  throw new KernelcastError(
    "usage",
    `run ${run.runId} was started differently (${what}); give it as before, or choose another --run`,
  );
}
