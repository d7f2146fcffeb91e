import type { DeviceInfo, Evidence, Kernel, Task } from "../../domain/index.ts";
import { kernelFacts, type KernelFacts } from "./kernel-facts.ts";

/** Kernels whose facts are kept; reading a source costs some milliseconds. */
const keptFacts = 4096;

/** Remembers what was read of kernels. Forecasters that are asked together share one, so that each kernel is read once. */
export class FactsCache {
  readonly #facts = new Map<string, KernelFacts>();

  get(kernel: Kernel, task: Task, device: DeviceInfo, evidence: Evidence | undefined): KernelFacts {
    const key = JSON.stringify([task.taskId, kernel.kernelId, device.name, evidence ?? null]);
    const known = this.#facts.get(key);
    if (known) return known;
    const facts = kernelFacts(kernel, task, device, evidence);
    if (this.#facts.size >= keptFacts) this.#facts.delete(this.#facts.keys().next().value ?? "");
    this.#facts.set(key, facts);
    return facts;
  }
}
