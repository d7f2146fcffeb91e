import type { DeviceInfo, Evidence, Kernel, Task } from "../../domain/index.ts";
import { executionFacts, type ExecutionFacts } from "./execution/execution-facts.ts";
import { kernelFacts, type KernelFacts } from "./kernel-facts.ts";

/** Kernels whose facts are kept; reading a source costs some milliseconds, running it some tens. */
const keptFacts = 4096;

/** Keeps what running kernels showed beyond this process. */
export interface ExecutionMemory {
  get(kernel: Kernel, task: Task): ExecutionFacts | undefined;
  put(kernel: Kernel, task: Task, facts: ExecutionFacts): void;
}

/** Remembers what was read of kernels. Forecasters that are asked together share one, so that each kernel is read once. */
export class FactsCache {
  readonly #facts = new Map<string, KernelFacts>();
  /** What running kernels shows depends on neither device nor evidence. */
  readonly #ran = new Map<string, ExecutionFacts>();
  readonly #memory: ExecutionMemory | undefined;

  constructor(memory?: ExecutionMemory) {
    this.#memory = memory;
  }

  get(kernel: Kernel, task: Task, device: DeviceInfo, evidence: Evidence | undefined): KernelFacts {
    const key = JSON.stringify([task.taskId, kernel.kernelId, device.name, evidence ?? null]);
    return remember(this.#facts, key, () => kernelFacts(kernel, task, device, evidence, this.#execution(kernel, task)));
  }

  #execution(kernel: Kernel, task: Task): ExecutionFacts {
    const key = JSON.stringify([task.taskId, kernel.kernelId]);
    return remember(this.#ran, key, () => {
      const known = this.#memory?.get(kernel, task);
      if (known) return known;
      const facts = executionFacts(kernel, task);
      this.#memory?.put(kernel, task, facts);
      return facts;
    });
  }
}

function remember<Value>(kept: Map<string, Value>, key: string, make: () => Value): Value {
  const known = kept.get(key);
  if (known !== undefined) return known;
  const made = make();
  if (kept.size >= keptFacts) kept.delete(kept.keys().next().value ?? "");
  kept.set(key, made);
  return made;
}
