/**
 * One regression tree as parallel arrays over its nodes, root first. A node with `feature` −1 is a leaf. Rows whose
 * value is ≤ `threshold` go left, NaN goes left where `missingLeft` is 1.
 */
export interface Tree {
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  readonly missingLeft: readonly number[];
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly value: readonly number[];
}

/** A sum of trees over a constant; plain JSON. For logistic loss the sum is the log odds. */
export interface BoostedTrees {
  readonly base: number;
  readonly trees: readonly Tree[];
}

/** Value of the trees at one row of features. */
export function predict(model: BoostedTrees, row: ArrayLike<number>): number {
  let sum = model.base;
  for (const tree of model.trees) sum += predictTree(tree, row);
  return sum;
}

function predictTree(tree: Tree, row: ArrayLike<number>): number {
  let node = 0;
  for (;;) {
    const feature = tree.feature[node] as number;
    if (feature < 0) return tree.value[node] as number;
    const value = row[feature] as number;
    const goesLeft = Number.isNaN(value) ? tree.missingLeft[node] === 1 : value <= (tree.threshold[node] as number);
    node = (goesLeft ? tree.left[node] : tree.right[node]) as number;
  }
}

/** Probability from log odds. */
export function sigmoid(logOdds: number): number {
  return 1 / (1 + Math.exp(-logOdds));
}

/** The model with its numbers rounded, for a small file. Thresholds keep six digits, values four. */
export function compact(model: BoostedTrees): BoostedTrees {
  const round = (digits: number) => (x: number) => Number(x.toPrecision(digits));
  return {
    base: round(6)(model.base),
    trees: model.trees.map((tree) => ({
      ...tree,
      threshold: tree.threshold.map(round(6)),
      value: tree.value.map(round(4)),
    })),
  };
}

/** How often each feature splits, most used first. */
export function splitCounts(model: BoostedTrees): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const { feature } of model.trees) {
    for (const index of feature) if (index >= 0) counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  return new Map([...counts].sort((a, b) => b[1] - a[1]));
}
