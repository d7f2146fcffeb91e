import { smallestSigma, type RuntimeDistribution } from "../../domain/index.ts";
import type { NetworkWeights } from "./network-weights.ts";
import { added, affine, columnsOf, gelu, normalised, type Tensor } from "./tensors.ts";

/** A kernel as the network sees it, whatever it is compared with. */
export interface Described {
  /** What its features say, and what its text says where the network reads it. */
  readonly own: readonly number[];
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
 * The network of `python/kernelcast_train/model.py` (class Head): describes kernels by their features, their text or both, compares
 * a candidate with each anchor, and mixes the anchors' times, each with a learned difference, by likeness.
 */
export class CompareNetwork {
  readonly #weights: NetworkWeights;
  readonly #columns: PairColumns;
  readonly #pairBias: Float64Array;

  constructor(weights: NetworkWeights) {
    this.#weights = weights;
    this.#columns = pairColumns(weights);
    this.#pairBias = Float64Array.from(this.#values("pair.0.bias"));
    if (weights.features > 0)
      this.#pairBias = affine(this.#columns.change, this.#values("change.bias"), this.#pairBias);
  }

  /** Describes a kernel by its features, NaN for what is not known, and by its encoder's vector where the network reads text. */
  describe(features: ArrayLike<number>, vector?: ArrayLike<number>): Described {
    const byFeatures = this.#weights.features > 0 ? this.#describeFeatures(features) : nothing(this.#weights.width);
    if (this.#weights.textWidth === 0) return byFeatures;
    const byText = this.#describeText(vector ?? new Float64Array(this.#weights.textWidth));
    return {
      own: [...byFeatures.own, ...byText.own],
      asCandidate: added(byFeatures.asCandidate, byText.asCandidate),
      asAnchor: added(byFeatures.asAnchor, byText.asAnchor),
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
    const pooled = new Float64Array(this.#weights.width);
    pairs.forEach((pair, at) => pair.forEach((value, place) => (pooled[place]! += (weights[at] ?? 0) * value)));
    const variance = weights.reduce((sum, weight, at) => sum + weight * ((proposed[at] ?? 0) - median) ** 2, 0);
    const best = Math.min(20, Math.max(-20, Math.max(...likeness)));
    const summary = [Math.sqrt(variance + 1e-6), best / 5, Math.log2(anchors.length) / 4];
    const hidden = gelu(this.#layer("summary.0", [...candidate.own, ...pooled, ...summary]));
    const [shift = 0, low = 0, high = 0] = this.#layer("summary.2", hidden);
    const working = gelu(this.#layer("working.0", [...candidate.own, ...pooled]));
    return {
      m: median + shift,
      sigmaLow: width(low - 0.7),
      sigmaHigh: width(high - 0.7),
      logOdds: this.#number("working.3", working) + 2.5,
    };
  }

  #describeFeatures(features: ArrayLike<number>): Described {
    const given = this.#standardised(features);
    const facts = this.#normalised("facts.4", this.#layer("facts.3", gelu(this.#layer("facts.0", given))));
    const none = new Float64Array(2 * this.#weights.width);
    const change = affine(this.#weights.tensor("change.weight"), given, new Float64Array(this.#weights.width));
    const changed = affine(this.#columns.change, change, none);
    const difference = affine(this.#columns.difference, facts, none);
    return {
      own: [...facts],
      asCandidate: added(added(affine(this.#columns.own, facts, none), difference), changed),
      asAnchor: added(added(affine(this.#columns.other, facts, none), difference, -1), changed, -1),
    };
  }

  #describeText(vector: ArrayLike<number>): Described {
    const given = this.#normalised("text.0", Float64Array.from(vector));
    const text = this.#layer("text.4", gelu(this.#layer("text.1", given)));
    const none = new Float64Array(2 * this.#weights.width);
    const difference = affine(this.#columns.textDifference, text, none);
    return {
      own: [...text],
      asCandidate: added(affine(this.#columns.text, text, none), difference),
      asAnchor: added(none, difference, -1),
    };
  }

  #pair(candidate: Described, { described, alike }: ComparedAnchor): Float64Array {
    const likeness = affine(this.#columns.alike, alike, this.#pairBias);
    return gelu(this.#layer("pair.3", gelu(added(added(candidate.asCandidate, described.asAnchor), likeness))));
  }

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
    return affine(this.#weights.tensor(`${name}.weight`), input, this.#values(`${name}.bias`));
  }

  #normalised(name: string, vector: Float64Array): Float64Array {
    return normalised(vector, this.#values(`${name}.weight`), this.#values(`${name}.bias`));
  }

  #number(name: string, input: ArrayLike<number>): number {
    return this.#layer(name, input)[0] as number;
  }

  #values(name: string): Float32Array {
    return this.#weights.tensor(name).values;
  }
}

/** The columns of a comparison's first layer, by what they are multiplied with. */
interface PairColumns {
  readonly own: Tensor;
  readonly other: Tensor;
  readonly difference: Tensor;
  readonly change: Tensor;
  /** Without columns where the network reads no text. */
  readonly text: Tensor;
  readonly textDifference: Tensor;
  readonly alike: Tensor;
}

function pairColumns(weights: NetworkWeights): PairColumns {
  const { width: size, textWidth } = weights;
  const pair = weights.tensor("pair.0.weight");
  const part = (place: number, columns = size): Tensor => columnsOf(pair, place * size, place * size + columns);
  const textColumns = textWidth > 0 ? size : 0;
  return {
    own: part(0),
    other: part(1),
    difference: part(2),
    change: part(3),
    text: part(4, textColumns),
    textDifference: part(5, textColumns),
    alike: part(textWidth > 0 ? 6 : 4, 3),
  };
}

/** A description that tells nothing, for a network that reads no features. */
function nothing(size: number): Described {
  const none = new Float64Array(2 * size);
  return { own: Array.from({ length: size }, () => 0), asCandidate: none, asAnchor: none };
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
