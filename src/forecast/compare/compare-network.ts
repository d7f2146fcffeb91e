import { smallestSigma, type RuntimeDistribution } from "../../domain/index.ts";
import type { CompareModel } from "./compare-model.ts";
import { added, affine, columnsOf, gelu, normalised, type Tensor } from "./tensors.ts";

/** A kernel as the network sees it, whatever it is compared with. */
export interface Described {
  readonly facts: Float64Array;
  /** Its share in the first layer of a comparison, as a candidate and as an anchor. */
  readonly asCandidate: Float64Array;
  readonly asAnchor: Float64Array;
}

/** A measured kernel: its time as log2 over the seed kernel's, and how alike the candidate it is (`likeness`). */
export interface ComparedAnchor {
  readonly described: Described;
  readonly log2Ratio: number;
  readonly alike: readonly [number, number, number];
}

/** Runtime over the seed kernel's (log2), and the log odds that the kernel works. */
export interface Comparison extends RuntimeDistribution {
  readonly logOdds: number;
}

/** Weight of likeness by text before anything is learned. */
const textWeight = 8;

/**
 * The network of `python/kernelcast_train/model.py` (class Head without text): describes kernels by their features, compares a
 * candidate with each anchor, and mixes the anchors' times, each with a learned difference, by likeness.
 */
export class CompareNetwork {
  readonly #model: CompareModel;
  readonly #ownColumns: Tensor;
  readonly #otherColumns: Tensor;
  readonly #differenceColumns: Tensor;
  readonly #changeColumns: Tensor;
  readonly #alikeColumns: Tensor;

  constructor(model: CompareModel) {
    const pair = model.tensor("pair.0.weight");
    const part = (place: number, columns = model.width): Tensor =>
      columnsOf(pair, place * model.width, place * model.width + columns);
    this.#model = model;
    this.#ownColumns = part(0);
    this.#otherColumns = part(1);
    this.#differenceColumns = part(2);
    this.#changeColumns = part(3);
    this.#alikeColumns = part(4, 3);
  }

  /** Describes a kernel by its features; NaN stands for what is not known. */
  describe(features: ArrayLike<number>): Described {
    const given = this.#standardised(features);
    const hidden = gelu(this.#layer("facts.0", given));
    const facts = normalised(
      this.#layer("facts.3", hidden),
      this.#values("facts.4.weight"),
      this.#values("facts.4.bias"),
    );
    const none = new Float64Array(2 * this.#model.width);
    const change = affine(this.#model.tensor("change.weight"), given, new Float64Array(this.#model.width));
    const changed = affine(this.#changeColumns, change, none);
    const difference = affine(this.#differenceColumns, facts, none);
    return {
      facts,
      asCandidate: added(added(affine(this.#ownColumns, facts, none), difference), changed),
      asAnchor: added(added(affine(this.#otherColumns, facts, none), difference, -1), changed, -1),
    };
  }

  /** Forecasts one kernel; `anchors` holds at least the seed kernel. */
  compare(candidate: Described, anchors: readonly ComparedAnchor[]): Comparison {
    const pairs = anchors.map((anchor) => this.#pair(candidate, anchor));
    const likeness = pairs.map(
      (pair, at) => this.#number("likeness", pair) + textWeight * (anchors[at]?.alike[0] ?? 0),
    );
    const weights = softmax(likeness);
    const proposed = pairs.map((pair, at) => (anchors[at]?.log2Ratio ?? 0) + this.#number("difference", pair));
    const median = dot(weights, proposed);
    const pooled = new Float64Array(this.#model.width);
    pairs.forEach((pair, at) => pair.forEach((value, place) => (pooled[place]! += (weights[at] ?? 0) * value)));
    const variance = weights.reduce((sum, weight, at) => sum + weight * ((proposed[at] ?? 0) - median) ** 2, 0);
    const best = Math.min(20, Math.max(-20, Math.max(...likeness)));
    const summary = [Math.sqrt(variance + 1e-6), best / 5, Math.log2(anchors.length) / 4];
    const hidden = gelu(this.#layer("summary.0", [...candidate.facts, ...pooled, ...summary]));
    const [shift = 0, low = 0, high = 0] = this.#layer("summary.2", hidden);
    const working = gelu(this.#layer("working.0", [...candidate.facts, ...pooled]));
    return {
      m: median + shift,
      sigmaLow: width(low - 0.7),
      sigmaHigh: width(high - 0.7),
      logOdds: this.#number("working.3", working) + 2.5,
    };
  }

  #pair(candidate: Described, { described, alike }: ComparedAnchor): Float64Array {
    const bias = this.#pairBias();
    const sum = added(added(candidate.asCandidate, described.asAnchor), affine(this.#alikeColumns, alike, bias));
    return gelu(this.#layer("pair.3", gelu(sum)));
  }

  /** What a comparison's first layer adds whatever the kernels: its bias, and that of the change in features. */
  #pairBias(): Float64Array {
    this.#bias ??= affine(this.#changeColumns, this.#values("change.bias"), this.#values("pair.0.bias"));
    return this.#bias;
  }
  #bias: Float64Array | undefined;

  #standardised(features: ArrayLike<number>): Float64Array {
    const count = features.length;
    const [centre, scale] = [this.#values("centre"), this.#values("scale")];
    const out = new Float64Array(2 * count);
    for (let at = 0; at < count; at++) {
      const value = features[at] as number;
      if (!Number.isFinite(value)) continue;
      out[at] = Math.min(5, Math.max(-5, (value - (centre[at] as number)) / (scale[at] as number)));
      out[count + at] = 1;
    }
    return out;
  }

  #layer(name: string, input: ArrayLike<number>): Float64Array {
    return affine(this.#model.tensor(`${name}.weight`), input, this.#values(`${name}.bias`));
  }

  #number(name: string, input: ArrayLike<number>): number {
    return this.#layer(name, input)[0] as number;
  }

  #values(name: string): Float32Array {
    return this.#model.tensor(name).values;
  }
}

function width(logWidth: number): number {
  return Math.exp(Math.min(3, Math.max(-5, logWidth))) + smallestSigma;
}

function softmax(values: readonly number[]): number[] {
  const most = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);
}
