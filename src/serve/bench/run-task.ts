import { setImmediate } from "node:timers/promises";
import type { Forecaster, Recording } from "../../domain/index.ts";
import { openBenchTask } from "../../evaluate/searches/bench-task.ts";
import { runCell, type SearchCell } from "../../evaluate/searches/search-cell.ts";
import { FactsCache } from "../../forecast/static/facts-cache.ts";
import { openForecaster } from "../open-forecaster.ts";
import { armForecaster, armPolicy, type Arm } from "./arms.ts";
import { KeptExecutions } from "./kept-executions.ts";
import type { WorkerSetting } from "./worker-messages.ts";

/** Searches of one task that one worker runs: for each arm, the seeds that are not known yet. */
export interface TaskJob {
  readonly taskId: string;
  readonly searches: readonly { readonly arm: Arm; readonly seeds: readonly number[] }[];
}

export interface TaskRunner {
  /** Runs the searches of a job and hands each over when it has ended. */
  run(job: TaskJob, onCell: (arm: Arm, seed: number, cell: SearchCell) => void, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/**
 * Runs searches on a recording. Forecasters are opened once and share what they read of kernels, so that each kernel is read once
 * whatever the number of searches; what running it showed is kept for later benches.
 */
export function createTaskRunner(
  recording: Recording,
  { device, measurements, workspace }: Pick<WorkerSetting, "device" | "measurements" | "workspace">,
): TaskRunner {
  const facts = new FactsCache(KeptExecutions.open(workspace));
  const opened = new Map<string, Promise<Forecaster>>();
  const open = (name: string): Promise<Forecaster> => {
    const known = opened.get(name) ?? openForecaster(name, { facts });
    opened.set(name, known);
    return known;
  };
  return {
    async run({ taskId, searches }, onCell, signal) {
      const task = openBenchTask(recording, device, taskId);
      for (const { arm, seeds } of searches) {
        const policy = armPolicy(arm, task);
        const forecaster = await armForecaster(arm, task, open);
        const { name, strategy } = arm;
        for (const seed of seeds) {
          // A search is one chain of promises: without a turn of the event loop Ctrl-C would never be heard.
          await setImmediate();
          signal?.throwIfAborted();
          // A signal of its own, so that thousands of searches leave no listeners on the command's.
          const own = signal ? { signal: AbortSignal.any([signal]) } : {};
          const plan = { asked: arm.forecaster ?? name, policy, forecaster, strategy, seed, measurements, ...own };
          onCell(arm, seed, await runCell(task, plan));
        }
      }
    },
    async close() {
      for (const forecaster of opened.values()) await (await forecaster).close?.();
    },
  };
}
