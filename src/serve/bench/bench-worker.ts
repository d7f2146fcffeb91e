/** A thread of `bench search`: takes jobs one after the other and tells of each search when it has ended. */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { KernelcastError } from "../../domain/index.ts";
import { loadBenchRecording } from "./load-bench-recording.ts";
import { createTaskRunner } from "./run-task.ts";
import type { WorkerNews, WorkerOrder, WorkerSetting } from "./worker-messages.ts";

if (parentPort) await work(parentPort, workerData as WorkerSetting);

async function work(port: MessagePort, { recording, device, taskIds, measurements }: WorkerSetting): Promise<void> {
  const tell = (news: WorkerNews): void => port.postMessage(news);
  try {
    const loaded = await loadBenchRecording(recording, device, taskIds);
    const runner = createTaskRunner(loaded.recording, loaded.device, measurements);
    tell({ type: "job-end" });
    for (let { job } = await nextOrder(port); job; { job } = await nextOrder(port)) {
      const { taskId } = job;
      await runner.run(job, (arm, seed, cell) => tell({ type: "cell", taskId, arm, seed, cell }));
      tell({ type: "job-end" });
    }
    await runner.close();
  } catch (cause) {
    const code = KernelcastError.isInstance(cause) ? cause.code : "internal";
    tell({ type: "fault", code, message: cause instanceof Error ? cause.message : String(cause) });
  }
  port.close();
}

function nextOrder(port: MessagePort): Promise<WorkerOrder> {
  return new Promise((resolve) => {
    port.once("message", (order: WorkerOrder) => resolve(order));
  });
}
