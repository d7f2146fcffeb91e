import { keyedStream, type RandomKey } from "../../../domain/index.ts";
import { binFeatures, type BinnedFeatures } from "./binned.ts";
import { baseValue, curvature, leafLevel, pull, weightedQuantile, type Loss } from "./losses.ts";
import type { BoostedTrees, Tree } from "./model.ts";

export interface BoostingOptions {
  readonly loss: Loss;
  readonly trees: number;
  readonly learningRate: number;
  readonly depth: number;
  /** Least weight of rows in a leaf. */
  readonly leafWeight: number;
  /** Shares of rows and of features that each tree sees. */
  readonly rowShare: number;
  readonly featureShare: number;
  /** Added to the curvature of a leaf: shrinks the values of small ones. */
  readonly shrinkage: number;
  /** Key of the random draws: equal keys and data give equal models. */
  readonly key: RandomKey;
}

const defaultBoosting: BoostingOptions = {
  loss: { kind: "squared" },
  trees: 200,
  learningRate: 0.06,
  depth: 4,
  leafWeight: 8,
  rowShare: 0.7,
  featureShare: 0.5,
  shrinkage: 3,
  key: ["gbdt"],
};

export interface TrainingRows {
  readonly features: readonly ArrayLike<number>[];
  readonly targets: ArrayLike<number>;
  /** Weight of each row; 1 where absent. */
  readonly weights?: ArrayLike<number>;
}

/**
 * Trains gradient-boosted regression trees on histograms. Missing values are NaN and go the way that fits best at each
 * split. Pure and deterministic. Throws `RangeError` for tables of unequal lengths or without rows.
 */
export function trainBoostedTrees(rows: TrainingRows, options: Partial<BoostingOptions> = {}): BoostedTrees {
  const settings = { ...defaultBoosting, ...options };
  const count = rows.features.length;
  const weights = Float64Array.from({ length: count }, (_, row) => rows.weights?.[row] ?? 1);
  if (count === 0 || rows.targets.length !== count) {
    throw new RangeError(`boosted trees need rows: ${count} of features, ${rows.targets.length} targets`);
  }
  const data = binFeatures(rows.features, rows.features[0]?.length ?? 0);
  const base = baseValue(settings.loss, rows.targets, weights);
  const grower = new Grower(data, Float64Array.from(rows.targets), weights, settings, base);
  return { base, trees: Array.from({ length: settings.trees }, (_, index) => grower.grow(index)) };
}

interface Split {
  readonly gain: number;
  readonly feature: number;
  /** Last code that goes left. */
  readonly code: number;
  readonly missingLeft: boolean;
}

interface MutableTree {
  feature: number[];
  threshold: number[];
  missingLeft: number[];
  left: number[];
  right: number[];
  value: number[];
}

/** Holds the boosting state: predictions and gradients of every row. */
class Grower {
  readonly #data: BinnedFeatures;
  readonly #targets: Float64Array;
  readonly #weights: Float64Array;
  readonly #settings: BoostingOptions;
  readonly #predictions: Float64Array;
  readonly #pulls: Float64Array;
  readonly #curvatures: Float64Array;
  #columns: readonly number[] = [];

  constructor(
    data: BinnedFeatures,
    targets: Float64Array,
    weights: Float64Array,
    settings: BoostingOptions,
    base: number,
  ) {
    this.#data = data;
    this.#targets = targets;
    this.#weights = weights;
    this.#settings = settings;
    this.#predictions = new Float64Array(data.rows).fill(base);
    this.#pulls = new Float64Array(data.rows);
    this.#curvatures = new Float64Array(data.rows);
  }

  grow(index: number): Tree {
    const { loss, key, rowShare, featureShare } = this.#settings;
    const uniform = keyedStream(...key, "tree", index);
    for (let row = 0; row < this.#data.rows; row++) {
      const weight = this.#weights[row] as number;
      const prediction = this.#predictions[row] as number;
      this.#pulls[row] = weight * pull(loss, this.#targets[row] as number, prediction);
      this.#curvatures[row] = weight * curvature(loss, prediction);
    }
    const all = Array.from({ length: this.#data.rows }, (_, row) => row);
    const drawn = rowShare < 1 ? all.filter(() => uniform() < rowShare) : all;
    const columns = this.#data.codes.map((_, column) => column);
    this.#columns = featureShare < 1 ? columns.filter(() => uniform() < featureShare) : columns;
    const tree: MutableTree = { feature: [], threshold: [], missingLeft: [], left: [], right: [], value: [] };
    this.#growNode(tree, drawn.length > 0 ? drawn : all, all, this.#settings.depth);
    return tree;
  }

  /** Appends the node for some rows; `seen` choose its split and value, `all` take the value. */
  #growNode(tree: MutableTree, seen: readonly number[], all: readonly number[], depth: number): number {
    const node = tree.feature.length;
    const split = depth > 0 ? this.#bestSplit(seen) : undefined;
    tree.feature.push(split?.feature ?? -1);
    tree.threshold.push(split ? (this.#data.edges[split.feature]?.[split.code - 1] ?? 0) : 0);
    tree.missingLeft.push(split?.missingLeft ? 1 : 0);
    tree.left.push(-1);
    tree.right.push(-1);
    tree.value.push(0);
    if (!split) {
      const value = this.#leafValue(seen);
      tree.value[node] = value;
      for (const row of all) this.#predictions[row] = (this.#predictions[row] as number) + value;
      return node;
    }
    const goesLeft = this.#router(split);
    const [seenLeft, seenRight] = partition(seen, goesLeft);
    const [allLeft, allRight] = partition(all, goesLeft);
    tree.left[node] = this.#growNode(tree, seenLeft, allLeft, depth - 1);
    tree.right[node] = this.#growNode(tree, seenRight, allRight, depth - 1);
    return node;
  }

  #router({ feature, code, missingLeft }: Split): (row: number) => boolean {
    const codes = this.#data.codes[feature] as Uint8Array;
    return (row) => {
      const own = codes[row] as number;
      return own === 0 ? missingLeft : own <= code;
    };
  }

  #leafValue(rows: readonly number[]): number {
    const { loss, learningRate, shrinkage } = this.#settings;
    const level = leafLevel(loss);
    let [pulls, curvatures, weight] = [0, 0, 0];
    for (const row of rows) {
      pulls += this.#pulls[row] as number;
      curvatures += this.#curvatures[row] as number;
      weight += this.#weights[row] as number;
    }
    if (level === undefined) return (learningRate * pulls) / (curvatures + shrinkage);
    const residuals = rows.map((row) => (this.#targets[row] as number) - (this.#predictions[row] as number));
    const weights = rows.map((row) => this.#weights[row] as number);
    return (learningRate * weightedQuantile(residuals, weights, level) * weight) / (weight + shrinkage);
  }

  #bestSplit(rows: readonly number[]): Split | undefined {
    let best: Split | undefined;
    for (const feature of this.#columns) {
      const found = this.#bestOfFeature(rows, feature);
      if (found && found.gain > (best?.gain ?? 1e-9)) best = found;
    }
    return best;
  }

  #bestOfFeature(rows: readonly number[], feature: number): Split | undefined {
    const codes = this.#data.codes[feature] as Uint8Array;
    const bins = (this.#data.edges[feature]?.length ?? 0) + 2;
    const histogram = new Float64Array(3 * bins);
    for (const row of rows) {
      const place = 3 * (codes[row] as number);
      histogram[place] = (histogram[place] as number) + (this.#pulls[row] as number);
      histogram[place + 1] = (histogram[place + 1] as number) + (this.#curvatures[row] as number);
      histogram[place + 2] = (histogram[place + 2] as number) + (this.#weights[row] as number);
    }
    const scan = { feature, histogram, bins, settings: this.#settings };
    const withoutMissing = histogram[2] === 0;
    const right = scanSplits(scan, false);
    const left = withoutMissing ? undefined : scanSplits(scan, true);
    return left && left.gain > (right?.gain ?? 0) ? left : right;
  }
}

function partition(rows: readonly number[], goesLeft: (row: number) => boolean): [number[], number[]] {
  const left: number[] = [];
  const right: number[] = [];
  for (const row of rows) (goesLeft(row) ? left : right).push(row);
  return [left, right];
}

interface Scan {
  readonly feature: number;
  /** Sums of pulls, curvatures and weights for each code. */
  readonly histogram: Float64Array;
  readonly bins: number;
  readonly settings: BoostingOptions;
}

function scanSplits({ feature, histogram, bins, settings }: Scan, missingLeft: boolean): Split | undefined {
  const total = [0, 0, 0];
  for (let place = 0; place < histogram.length; place++) {
    total[place % 3] = (total[place % 3] as number) + (histogram[place] as number);
  }
  const [pulls, curvatures, weight] = total as [number, number, number];
  const score = (p: number, c: number): number => (p * p) / (c + settings.shrinkage);
  const start = missingLeft ? 0 : 3;
  let [p, c, w] = missingLeft ? [histogram[0] as number, histogram[1] as number, histogram[2] as number] : [0, 0, 0];
  let best: Split | undefined;
  for (let code = 1; code < bins - 1; code++) {
    p += histogram[3 * code] as number;
    c += histogram[3 * code + 1] as number;
    w += histogram[3 * code + 2] as number;
    if (w < settings.leafWeight || weight - w < settings.leafWeight) continue;
    const gain = score(p, c) + score(pulls - p, curvatures - c) - score(pulls, curvatures);
    if (gain > (best?.gain ?? 0)) best = { gain, feature, code, missingLeft: start === 0 };
  }
  return best;
}
