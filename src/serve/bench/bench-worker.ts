/** A process of `bench search`: takes jobs one after the other and tells of each search when it has ended. */
import { once } from "node:events";
import { KernelcastError } from "../../domain/index.ts";
import { loadBenchRecording } from "./load-bench-recording.ts";
import { createTaskRunner } from "./run-task.ts";
import type { WorkerNews, WorkerOrder, WorkerSetting } from "./worker-messages.ts";

// Whatever ends the bench, this process ends with it.
process.on("disconnect", () => process.exit());
const told = nextMessage<WorkerSetting>();
tell({ type: "ready" });
await work(await told);
process.exit();

async function work({ recording, device, taskIds, measurements, workspace }: WorkerSetting): Promise<void> {
  try {
    const loaded = await loadBenchRecording(recording, device, taskIds);
    const runner = createTaskRunner(loaded.recording, { device: loaded.device, measurements, workspace });
    for (let { job } = await ask(); job; { job } = await ask()) {
      const { taskId } = job;
      await runner.run(job, (arm, seed, cell) => tell({ type: "cell", taskId, arm, seed, cell }));
    }
    await runner.close();
  } catch (cause) {
    const code = KernelcastError.isInstance(cause) ? cause.code : "internal";
    await sent({ type: "fault", code, message: cause instanceof Error ? cause.message : String(cause) });
  }
}

function ask(): Promise<WorkerOrder> {
  const order = nextMessage<WorkerOrder>();
  tell({ type: "idle" });
  return order;
}

async function nextMessage<Message>(): Promise<Message> {
  const [message] = (await once(process, "message")) as [Message];
  return message;
}

function tell(news: WorkerNews): void {
  process.send?.(news);
}

/** The last word: it must be out before the process ends. */
function sent(news: WorkerNews): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(news, undefined, {}, () => resolve());
  });
}
