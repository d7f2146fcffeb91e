import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { KernelcastError, type Recording } from "../../domain/index.ts";
import type { SearchCell } from "../../evaluate/searches/search-cell.ts";
import type { Arm } from "./arms.ts";
import { createTaskRunner, type TaskJob } from "./run-task.ts";
import type { WorkerNews, WorkerOrder, WorkerSetting } from "./worker-messages.ts";

/** Takes a search that has ended. */
export type CellSink = (taskId: string, arm: Arm, seed: number, cell: SearchCell) => void;

export interface RunJobsOptions extends WorkerSetting {
  readonly loaded: Recording;
  readonly workers: number;
  readonly signal?: AbortSignal | undefined;
}

/** Runs jobs, in this process where one is enough, else in as many as there are workers; in the order given as far as they can. */
export async function runJobs(jobs: readonly TaskJob[], options: RunJobsOptions, onCell: CellSink): Promise<void> {
  const { workers, signal } = options;
  if (jobs.length === 0) return;
  if (Math.min(workers, jobs.length) === 1) return runHere(jobs, options, onCell);
  const queue = [...jobs];
  const children = Array.from({ length: Math.min(workers, jobs.length) }, startWorker);
  const stop = (): void => children.forEach((child) => child.kill());
  signal?.addEventListener("abort", stop, { once: true });
  try {
    await Promise.all(children.map((child) => drive(child, queue, options, onCell)));
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
  }
}

async function runHere(
  jobs: readonly TaskJob[],
  { loaded, signal, ...setting }: RunJobsOptions,
  onCell: CellSink,
): Promise<void> {
  const runner = createTaskRunner(loaded, setting);
  try {
    for (const job of jobs) await runner.run(job, (arm, seed, cell) => onCell(job.taskId, arm, seed, cell), signal);
  } finally {
    await runner.close();
  }
}

function startWorker(): ChildProcess {
  // Compiled or not, the worker's module has the ending of this one.
  const module = import.meta.url.replace(/run-jobs(\.\w+)$/, "bench-worker$1");
  // What it writes is for people; standard output is the answer's.
  return fork(fileURLToPath(module), { serialization: "advanced", stdio: ["ignore", 2, 2, "ipc"] });
}

/** Gives a process jobs until there are none and it ends. Rejects where it ends otherwise, unless it was told to. */
async function drive(child: ChildProcess, queue: TaskJob[], options: RunJobsOptions, onCell: CellSink): Promise<void> {
  const { recording, device, taskIds, measurements, workspace, signal } = options;
  let fault: KernelcastError | undefined;
  const fail = (cause: unknown): void => {
    fault ??= KernelcastError.isInstance(cause) ? cause : new KernelcastError("internal", String(cause), { cause });
    child.kill();
  };
  const hear = (news: WorkerNews): void => {
    const setting: WorkerSetting = { recording, device, taskIds, measurements, workspace };
    const order: WorkerOrder = { job: news.type === "idle" ? queue.shift() : undefined };
    if (news.type === "cell") onCell(news.taskId, news.arm, news.seed, news.cell);
    else if (news.type === "fault") fail(new KernelcastError(news.code, news.message));
    else child.send(news.type === "ready" ? setting : order);
  };
  child.on("message", (news: WorkerNews) => {
    try {
      hear(news);
    } catch (cause) {
      fail(cause);
    }
  });
  // Its last messages may come after its end, but before its channel's.
  const [[code]] = (await Promise.all([once(child, "exit"), once(child, "disconnect")])) as [[number | null], unknown];
  if (fault) throw fault;
  if (code !== 0 && !signal?.aborted) {
    throw new KernelcastError("internal", "a process of the bench ended; give the same command again to go on");
  }
}
