import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyedStream } from "../../../domain/index.ts";
import { binFeatures } from "./binned.ts";
import { weightedQuantile } from "./losses.ts";
import { compact, predict, sigmoid, splitCounts, type BoostedTrees } from "./model.ts";
import { trainBoostedTrees, type BoostingOptions } from "./train.ts";

interface Table {
  readonly features: Float64Array[];
  readonly targets: number[];
}

/** Five uniform features, the fourth missing in a third of the rows. */
function table(rows: number, seed: number, target: (row: Float64Array, uniform: () => number) => number): Table {
  const uniform = keyedStream("gbdt-test", seed);
  const features = Array.from({ length: rows }, () => {
    const row = Float64Array.from({ length: 5 }, () => uniform());
    if (uniform() < 1 / 3) row[3] = Number.NaN;
    return row;
  });
  return { features, targets: features.map((row) => target(row, uniform)) };
}

const curve = (row: Float64Array): number =>
  Math.sin(6 * (row[0] as number)) +
  ((row[1] as number) > 0.5 ? 2 : 0) * (row[2] as number) +
  (Number.isNaN(row[3]) ? 1 : 0);

function meanAbsoluteError(model: BoostedTrees, { features, targets }: Table): number {
  return (
    features.reduce((sum, row, at) => sum + Math.abs(predict(model, row) - (targets[at] as number)), 0) / targets.length
  );
}

describe("trainBoostedTrees", () => {
  test.each<BoostingOptions["loss"]>([{ kind: "squared" }, { kind: "absolute" }])(
    "learns a function: $kind",
    (loss) => {
      const model = trainBoostedTrees(table(1500, 1, curve), { loss, trees: 150, learningRate: 0.1 });
      expect(meanAbsoluteError(model, table(500, 2, curve))).toBeLessThan(0.16);
      expect(splitCounts(model).size).toBeGreaterThanOrEqual(4);
    },
  );

  test("missing values find their own way", () => {
    const missing = (row: Float64Array): number => (Number.isNaN(row[3]) ? 5 : 0);
    const model = trainBoostedTrees(table(400, 1, missing), {
      trees: 80,
      depth: 1,
      featureShare: 1,
      learningRate: 0.2,
    });
    expect(predict(model, [0, 0, 0, Number.NaN, 0])).toBeCloseTo(5, 0);
    expect(predict(model, [0, 0, 0, 0.5, 0])).toBeCloseTo(0, 0);
  });

  test.each([0.1, 0.5, 0.9])("quantile %d covers its share of unseen rows", (level) => {
    const noisy = (row: Float64Array, uniform: () => number): number => (row[0] as number) * (1 + 4 * uniform());
    const model = trainBoostedTrees(table(2000, 1, noisy), {
      loss: { kind: "quantile", level },
      trees: 120,
      depth: 3,
      leafWeight: 40,
      shrinkage: 0,
    });
    const unseen = table(1000, 2, noisy);
    const below = unseen.features.filter((row, at) => (unseen.targets[at] as number) <= predict(model, row)).length;
    expect(Math.abs(below / 1000 - level)).toBeLessThan(0.05);
  });

  test("logistic loss gives probabilities", () => {
    const p = (row: Float64Array): number => ((row[0] as number) > 0.5 ? 0.9 : 0.2);
    const label = (row: Float64Array, uniform: () => number): number => (uniform() < p(row) ? 1 : 0);
    const model = trainBoostedTrees(table(2000, 1, label), { loss: { kind: "logistic" }, trees: 60, depth: 2 });
    expect(sigmoid(predict(model, [0.8, 0.5, 0.5, 0.5, 0.5]))).toBeCloseTo(0.9, 0);
    expect(sigmoid(predict(model, [0.2, 0.5, 0.5, 0.5, 0.5]))).toBeCloseTo(0.2, 0);
  });

  test("equal keys give equal models, other keys others", () => {
    const rows = table(200, 1, curve);
    const train = (key: string): BoostedTrees => trainBoostedTrees(rows, { trees: 5, key: [key] });
    expect(train("a")).toEqual(train("a"));
    expect(train("a")).not.toEqual(train("b"));
  });

  test("weights count as rows", () => {
    const features = [[0], [0], [1], [1]].map((row) => Float64Array.from(row));
    const model = trainBoostedTrees(
      { features, targets: [0, 10, 0, 10], weights: [9, 1, 1, 9] },
      { trees: 200, depth: 1, rowShare: 1, featureShare: 1, leafWeight: 0, shrinkage: 0, learningRate: 0.5 },
    );
    expect(predict(model, [0])).toBeCloseTo(1, 4);
    expect(predict(model, [1])).toBeCloseTo(9, 4);
  });

  test("a file keeps the predictions", () => {
    const rows = table(300, 1, curve);
    const model = trainBoostedTrees(rows, { trees: 30 });
    const file = JSON.parse(JSON.stringify(compact(model))) as BoostedTrees;
    for (const row of rows.features.slice(0, 50)) expect(predict(file, row)).toBeCloseTo(predict(model, row), 2);
  });

  test("one row, constant features and constant targets are no trouble; no rows are", () => {
    const one = trainBoostedTrees({ features: [[1, Number.NaN]], targets: [7] }, { trees: 3 });
    expect(predict(one, [5, 5])).toBeCloseTo(7, 9);
    expect(() => trainBoostedTrees({ features: [], targets: [] })).toThrow(RangeError);
    expect(() => trainBoostedTrees({ features: [[1]], targets: [] })).toThrow(RangeError);
  });
});

test("bins keep the order of values, and missing ones apart", () => {
  const value = fc.oneof(
    fc.double({ min: -1e3, max: 1e3, noNaN: true }),
    fc.constant(Number.NaN),
    fc.integer({ min: 0, max: 3 }),
  );
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (values) => {
      const { codes, edges } = binFeatures(
        values.map((x) => [x]),
        1,
      );
      const [column, cuts] = [codes[0] as Uint8Array, edges[0] as readonly number[]];
      expect(cuts.length).toBeLessThanOrEqual(62);
      values.forEach((x, row) => {
        const code = column[row] as number;
        expect(code === 0).toBe(Number.isNaN(x));
        const inside = Number.isNaN(x) || (x <= (cuts[code - 1] ?? Infinity) && x > (cuts[code - 2] ?? -Infinity));
        expect(inside).toBe(true);
      });
    }),
  );
});

test("weighted quantiles", () => {
  expect(weightedQuantile([3, 1, 2], [1, 1, 1], 0.5)).toBe(2);
  expect(weightedQuantile([3, 1, 2], [10, 1, 1], 0.5)).toBe(3);
  expect(weightedQuantile([], [], 0.5)).toBe(0);
});
