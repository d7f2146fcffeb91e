import { once } from "node:events";
import { Worker } from "node:worker_threads";
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

/** Runs jobs, in this thread where one is enough, else in as many threads as there are workers; in the order given as far as they can. */
export async function runJobs(jobs: readonly TaskJob[], options: RunJobsOptions, onCell: CellSink): Promise<void> {
  const { workers, signal } = options;
  if (jobs.length === 0) return;
  if (Math.min(workers, jobs.length) === 1) return runHere(jobs, options, onCell);
  const queue = [...jobs];
  const threads = Array.from({ length: Math.min(workers, jobs.length) }, () => startWorker(options));
  const stop = (): void => void Promise.all(threads.map((thread) => thread.terminate()));
  signal?.addEventListener("abort", stop, { once: true });
  try {
    await Promise.all(threads.map((thread) => drive(thread, queue, onCell)));
  } finally {
    signal?.removeEventListener("abort", stop);
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

async function runHere(
  jobs: readonly TaskJob[],
  { loaded, device, measurements, signal }: RunJobsOptions,
  onCell: CellSink,
): Promise<void> {
  const runner = createTaskRunner(loaded, device, measurements);
  try {
    for (const job of jobs) await runner.run(job, (arm, seed, cell) => onCell(job.taskId, arm, seed, cell), signal);
  } finally {
    await runner.close();
  }
}

function startWorker({ recording, device, taskIds, measurements }: WorkerSetting): Worker {
  // Compiled or not, the worker's module has the ending of this one.
  const module = import.meta.url.replace(/run-jobs(\.\w+)$/, "bench-worker$1");
  const workerData: WorkerSetting = { recording, device, taskIds, measurements };
  return new Worker(new URL(module), { workerData });
}

/** Gives a thread jobs until there are none, or until it ends because it was told to. */
async function drive(thread: Worker, queue: TaskJob[], onCell: CellSink): Promise<void> {
  let fault: KernelcastError | undefined;
  thread.on("message", (news: WorkerNews) => {
    try {
      if (news.type === "cell") onCell(news.taskId, news.arm, news.seed, news.cell);
      if (news.type === "fault") fault = new KernelcastError(news.code, news.message);
      if (news.type !== "job-end") return;
      const order: WorkerOrder = { job: queue.shift() };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.postMessage(order);
    } catch (cause) {
      fault = KernelcastError.isInstance(cause) ? cause : new KernelcastError("internal", String(cause), { cause });
      void thread.terminate();
    }
  });
  await once(thread, "exit");
  if (fault) throw fault;
}
