import type { Anchor, Kernel } from "../../domain/index.ts";
import { kernelShingles, likeness, type KernelShingles } from "./kernel-likeness.ts";
import type { Reference } from "./recipe.ts";

/** Kernels whose token runs are kept; reading one takes about a millisecond. */
const keptKernels = 1024;

/** Finds the anchor that a kernel is most like. Pure but for its cache. */
export class ReferenceFinder {
  readonly #known = new Map<string, KernelShingles>();

  /** The first of the most alike anchors; undefined without any. The kernel itself is no reference to itself. */
  find(kernel: Kernel, anchors: readonly Anchor[]): Reference | undefined {
    const own = this.#shingles(kernel);
    let best: Reference | undefined;
    for (const { kernel: other, measurement } of anchors) {
      if (other.kernelId === kernel.kernelId) continue;
      const alike = likeness(own, this.#shingles(other));
      if (!best || alike > best.likeness) {
        best = { log2Us: Math.log2(measurement.runtime.medianUs), likeness: alike };
      }
    }
    return best;
  }

  #shingles(kernel: Kernel): KernelShingles {
    const known = this.#known.get(kernel.kernelId);
    if (known) return known;
    const shingles = kernelShingles(kernel);
    if (this.#known.size >= keptKernels) this.#known.delete(this.#known.keys().next().value ?? "");
    this.#known.set(kernel.kernelId, shingles);
    return shingles;
  }
}
