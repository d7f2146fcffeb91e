import { seedAnchor, type ForecastRequest, type Kernel } from "../../domain/index.ts";
import { hashText, wordRuns } from "../source/likeness.ts";
import { featureVector, type FeatureContext } from "../static/features.ts";
import type { FactsCache } from "../static/facts-cache.ts";
import { kernelParameters } from "./kernel-parameters.ts";
import { sketchOf } from "./sketch.ts";

/** A kernel as the Gaussian process sees it. */
export interface KernelPoint {
  /** Features less the seed kernel's, each over its typical spread within a task, in bounds; 0 where not known. */
  readonly features: Float64Array;
  /** log2(1 + |value|) of its tuned numbers, by hashes of their names, which ascend. */
  readonly parameters: { readonly names: Uint32Array; readonly values: Float64Array };
  /** A sketch of its words' runs; equal shares of sketches stand for equal shares of runs. */
  readonly sketch: Uint32Array;
}

/** No feature makes two kernels differ by more than twice this. */
const featureBound = 4;

/** Points kept for each reader; making one takes some milliseconds. */
const keptPoints = 8192;

/** Makes points of kernels, all of one task on one device with one seed anchor. */
export class PointReader {
  readonly #context: FeatureContext;
  readonly #facts: FactsCache;
  readonly #scales: Float64Array;
  readonly #origin: Float64Array;
  readonly #points = new Map<string, KernelPoint>();

  /** `scales`: one per feature of `featureVector`, 0 for those left out. Undefined without an anchor. */
  static open(request: ForecastRequest, facts: FactsCache, scales: Float64Array): PointReader | undefined {
    const { task, device } = request;
    const seed = seedAnchor(request);
    if (!seed) return undefined;
    const log2Us = Math.log2(seed.measurement.runtime.medianUs);
    const own = facts.get(seed.kernel, task, device, undefined);
    return new PointReader({ task, device, seed: { facts: own, log2Us } }, facts, scales);
  }

  private constructor(context: FeatureContext, facts: FactsCache, scales: Float64Array) {
    this.#context = context;
    this.#facts = facts;
    this.#scales = scales;
    this.#origin = featureVector(context.seed.facts, context);
  }

  read(kernel: Kernel): KernelPoint {
    const known = this.#points.get(kernel.kernelId);
    if (known) return known;
    const { task } = this.#context;
    const point: KernelPoint = {
      features: this.#featuresOf(kernel),
      parameters: parametersOf(kernelParameters(kernel, task)),
      sketch: sketchOf(wordRuns(kernel, task)),
    };
    if (this.#points.size >= keptPoints) this.#points.delete(this.#points.keys().next().value ?? "");
    this.#points.set(kernel.kernelId, point);
    return point;
  }

  #featuresOf(kernel: Kernel): Float64Array {
    const { task, device } = this.#context;
    const row = featureVector(this.#facts.get(kernel, task, device, undefined), this.#context);
    const used: number[] = [];
    for (const [index, scale] of this.#scales.entries()) {
      if (scale === 0) continue;
      const value = ((row[index] as number) - (this.#origin[index] as number)) / scale;
      used.push(Number.isNaN(value) ? 0 : Math.max(-featureBound, Math.min(featureBound, value)));
    }
    return Float64Array.from(used);
  }
}

function parametersOf(parameters: ReadonlyMap<string, number>): KernelPoint["parameters"] {
  const named = [...parameters].map(([name, value]) => [hashText(name), Math.log2(1 + Math.abs(value))] as const);
  named.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return { names: Uint32Array.from(named, ([name]) => name), values: Float64Array.from(named, ([, value]) => value) };
}
