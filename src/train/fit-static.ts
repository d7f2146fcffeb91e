import type { RandomKey } from "../domain/index.ts";
import { featureNames } from "../forecast/static/features.ts";
import { sigmoid, type BoostedTrees } from "../forecast/static/gbdt/model.ts";
import { trainBoostedTrees } from "../forecast/static/gbdt/train.ts";
import { lineValue, type StaticModel } from "../forecast/static/static-model.ts";
import { ridge } from "./ridge.ts";
import type { Example } from "./static-dataset.ts";

/** The parts of a model before it is calibrated. */
export interface RuntimeFit {
  readonly line: StaticModel["line"];
  readonly median: BoostedTrees;
}

/** Features of the line under the trees: what the cost model says has changed against the seed. */
const lineFeatures = [
  "total over seed's",
  "dram over seed's",
  "l2 over seed's",
  "l1 over seed's",
  "requests over seed's",
  "shared over seed's",
  "issue over seed's",
  "latency over seed's",
  "total over seed time",
  "dramOnce over seed time",
];

/** Penalty of the line's weights, in weight of examples. */
const linePenalty = 30;

/** Fits the runtime on working kernels: a line for what reaches beyond the tasks seen, trees for the rest. */
export function fitRuntime(examples: readonly Example[], key: RandomKey): RuntimeFit {
  const working = examples.filter(({ ok }) => ok);
  const targets = working.map(({ target }) => target);
  const weights = working.map(({ weight }) => weight);
  const line = fitLine(working, targets, weights);
  const residuals = working.map(({ features, target }) => target - lineValue(line, features));
  const median = trainBoostedTrees(
    { features: working.map(({ features }) => features), targets: residuals, weights },
    {
      loss: { kind: "squared" },
      trees: 260,
      learningRate: 0.03,
      depth: 3,
      leafWeight: 12,
      shrinkage: 8,
      featureShare: 0.35,
      rowShare: 0.6,
      key: [...key, "median"],
    },
  );
  return { line, median };
}

function fitLine(
  examples: readonly Example[],
  targets: readonly number[],
  weights: readonly number[],
): StaticModel["line"] {
  const features = lineFeatures.map((name) => featureNames.indexOf(name));
  const columns = features.map((feature) => examples.map((example) => example.features[feature] as number));
  const bounds = columns.map((column) => bound(column));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const clamp = (value: number, column: number): number =>
    Math.min(bounds[column]?.high ?? 0, Math.max(bounds[column]?.low ?? 0, value));
  const centres = columns.map(
    (column, at) => column.reduce((sum, value, row) => sum + (weights[row] as number) * clamp(value, at), 0) / total,
  );
  const rows = examples.map((_, row) =>
    columns.map((column, at) => clamp(column[row] as number, at) - (centres[at] as number)),
  );
  const centre = targets.reduce((sum, target, row) => sum + (weights[row] as number) * target, 0) / total;
  return {
    features,
    weights: ridge(
      rows,
      targets.map((target) => target - centre),
      weights,
      linePenalty,
    ),
    centres,
    low: bounds.map(({ low }) => low),
    high: bounds.map(({ high }) => high),
  };
}

/** The middle 98 % of a column. */
function bound(column: readonly number[]): { readonly low: number; readonly high: number } {
  const sorted = column.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  return { low: at(0.01), high: at(0.99) };
}

/** Fits the logarithm of the absolute error to errors of forecasts of tasks not trained on. */
export function fitSpread(examples: readonly Example[], errors: readonly number[], key: RandomKey): BoostedTrees {
  const targets = errors.map((error) => Math.log(Math.abs(error) + 0.01));
  const weights = examples.map(({ weight }) => weight);
  const features = examples.map((example) => example.features);
  return trainBoostedTrees(
    { features, targets, weights },
    {
      loss: { kind: "squared" },
      trees: 60,
      learningRate: 0.06,
      depth: 3,
      leafWeight: 30,
      shrinkage: 20,
      key: [...key, "spread"],
    },
  );
}

/** Fits the log odds that a kernel works. */
export function fitOk(examples: readonly Example[], key: RandomKey): BoostedTrees {
  const targets = examples.map(({ ok }) => Number(ok));
  const weights = examples.map(({ weight }) => weight);
  return trainBoostedTrees(
    { features: examples.map(({ features }) => features), targets, weights },
    {
      loss: { kind: "logistic" },
      trees: 80,
      learningRate: 0.08,
      depth: 3,
      leafWeight: 3,
      shrinkage: 2,
      featureShare: 0.7,
      key: [...key, "ok"],
    },
  );
}

/** Slope and shift of log odds that fit labels best: Platt's method, by Newton steps with a slight pull to (1, 0). */
export function fitPlatt(
  logOdds: readonly number[],
  labels: readonly boolean[],
): { readonly slope: number; readonly shift: number } {
  let [slope, shift] = [1, 0];
  for (let step = 0; step < 50; step++) {
    const sums = { slope: slope - 1, shift, aa: 1, ab: 0, bb: 1 };
    logOdds.forEach((x, row) => {
      const p = sigmoid(slope * x + shift);
      const error = p - Number(labels[row]);
      const weight = p * (1 - p);
      sums.slope += error * x;
      sums.shift += error;
      sums.aa += weight * x * x;
      sums.ab += weight * x;
      sums.bb += weight;
    });
    const determinant = sums.aa * sums.bb - sums.ab * sums.ab;
    slope -= (sums.bb * sums.slope - sums.ab * sums.shift) / determinant;
    shift -= (sums.aa * sums.shift - sums.ab * sums.slope) / determinant;
  }
  return { slope, shift };
}
