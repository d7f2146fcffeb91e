import { keyedShuffle, type Kernel, type Task } from "../domain/index.ts";
import {
  toWorkerKernel,
  toWorkerTask,
  workerProtocol,
  workerTaskKey,
  type WorkerRequest,
} from "../measure/worker-messages.ts";

export interface TaskKernels {
  readonly task: Task;
  readonly kernels: readonly Kernel[];
}

export interface RequestOptions {
  /** Which pass over the kernels this is; each pass has an order of its own. */
  readonly pass: number;
  readonly seed?: number;
  /** Per-kernel limits handed to the worker: wall seconds for everything, GPU-seconds for timing. */
  readonly limits?: { readonly timeoutS?: number; readonly gpuS?: number };
}

/**
 * One pass of measurements as worker requests: greetings, then task by task its registration and its kernels, tasks
 * and kernels each in an order keyed by (seed, pass). Kernels of a task stay together, so that a worker prepares
 * inputs once per task.
 */
export function* workerRequests(groups: readonly TaskKernels[], options: RequestOptions): Generator<WorkerRequest> {
  const { pass, seed = 1 } = options;
  yield { id: "hello", method: "hello", params: { protocol: workerProtocol } };
  yield { id: "describe", method: "describe", params: {} };
  for (const { task, kernels } of keyedShuffle(groups, seed, "task-order", pass)) {
    const wireTask = toWorkerTask(task);
    yield { id: `task:${task.taskId}`, method: "task", params: { task: wireTask } };
    const taskKey = workerTaskKey(wireTask);
    for (const kernel of passOrder(task, kernels, options)) {
      yield measureRequest(task, taskKey, kernel, options);
    }
  }
}

/** The kernels of a task in the order of a pass. */
export function passOrder(task: Task, kernels: readonly Kernel[], { pass, seed = 1 }: RequestOptions): Kernel[] {
  return keyedShuffle(kernels, seed, "kernel-order", pass, task.taskId);
}

/** Names the measurement of a kernel in a pass. */
export function passRequestId(task: Task, { kernelId }: Kernel, pass: number): string {
  return `pass${pass}:${task.taskId}:${kernelId}`;
}

function measureRequest(task: Task, taskKey: string, kernel: Kernel, options: RequestOptions): WorkerRequest {
  const id = passRequestId(task, kernel, options.pass);
  const { timeoutS, gpuS } = options.limits ?? {};
  const limits = {
    ...(timeoutS === undefined ? {} : { timeout_s: timeoutS }),
    ...(gpuS === undefined ? {} : { gpu_s: gpuS }),
  };
  const params = {
    request_id: id,
    task_key: taskKey,
    kernel: toWorkerKernel(kernel, task),
    mode: "screen",
    ...(options.limits ? { limits } : {}),
  };
  return { id, method: "measure", params };
}
