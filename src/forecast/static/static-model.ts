import { z } from "zod";
import { KernelcastError } from "../../domain/index.ts";
import { featureNames } from "./features.ts";
import { predict, type BoostedTrees } from "./gbdt/model.ts";

const tree = z.object({
  feature: z.array(z.number()),
  threshold: z.array(z.number()),
  missingLeft: z.array(z.number()),
  left: z.array(z.number()),
  right: z.array(z.number()),
  value: z.array(z.number()),
});
const trees = z.object({ base: z.number(), trees: z.array(tree) });

const schema = z.object({
  format: z.literal("kernelcast-static-1"),
  featureNames: z.array(z.string()),
  /** A line in a few features that the trees correct: a sum of weight × (clamped feature − centre). */
  line: z.object({
    features: z.array(z.number()),
    weights: z.array(z.number()),
    centres: z.array(z.number()),
    low: z.array(z.number()),
    high: z.array(z.number()),
  }),
  median: trees,
  spread: trees,
  ok: trees,
  calibration: z.object({
    scaleLow: z.number().positive(),
    scaleHigh: z.number().positive(),
    okSlope: z.number(),
    okShift: z.number(),
    anchors: z.object({
      reach: z.number().positive(),
      steadiness: z.number().positive(),
      sharpening: z.number().min(0).max(1),
    }),
  }),
  prior: z.object({
    median: z.number(),
    sigmaLow: z.number().positive(),
    sigmaHigh: z.number().positive(),
    pOk: z.number(),
  }),
  trainedOn: z.object({
    recording: z.string(),
    device: z.string(),
    tasks: z.array(z.string()),
    kernels: z.number(),
  }),
});

/**
 * A trained model, as its file holds it. `median` with `line` gives log2(runtime / seed kernel's runtime); `spread` the
 * logarithm of that forecast's expected absolute error; `ok` the log odds of working. `calibration` was fitted on tasks
 * held out inside training; `prior` serves where a source cannot be read.
 */
export type StaticModel = z.infer<typeof schema>;

/** The line's value at a row of features; a missing feature adds nothing. */
export function lineValue(line: StaticModel["line"], row: ArrayLike<number>): number {
  return line.features.reduce((sum, feature, index) => {
    const value = row[feature] as number;
    if (Number.isNaN(value)) return sum;
    const clamped = Math.min(line.high[index] as number, Math.max(line.low[index] as number, value));
    return sum + (line.weights[index] as number) * (clamped - (line.centres[index] as number));
  }, 0);
}

/** Forecast of log2(runtime / seed kernel's runtime), before anchors correct it. */
export function predictRatio(
  { line, median }: { readonly line: StaticModel["line"]; readonly median: BoostedTrees },
  row: ArrayLike<number>,
): number {
  return lineValue(line, row) + predict(median, row);
}

/** Reads a model from its file's text. Throws `KernelcastError("model", …)`; `path` is for the message. */
export function parseStaticModel(text: string, path: string): StaticModel {
  const parsed = schema.safeParse(parseJson(text, path));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new KernelcastError(
      "model",
      `${path}: not a model of the static forecaster: ${issue?.path.join(".")} ${issue?.message}`,
    );
  }
  const model = parsed.data;
  if (model.featureNames.join() !== featureNames.join()) {
    throw new KernelcastError(
      "model",
      `${path}: the model was trained on other features than this version computes; train it again with scripts/train-static.ts`,
    );
  }
  for (const part of [model.median, model.spread, model.ok]) checkTrees(part, path);
  return model;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KernelcastError(
      "model",
      `${path}: not a model: it is not JSON; give static alone for the one that is shipped`,
      { cause },
    );
  }
}

/** Children must follow their parent, so that no walk down a tree can run on. */
function checkTrees(model: BoostedTrees, path: string): void {
  for (const { feature, threshold, missingLeft, left, right, value } of model.trees) {
    const equal = [threshold, missingLeft, left, right, value].every(({ length }) => length === feature.length);
    const sound = feature.every((index, node) => {
      const children = [left[node] ?? 0, right[node] ?? 0];
      return (
        index < 0 || (index < featureNames.length && children.every((child) => child > node && child < feature.length))
      );
    });
    if (!equal || !sound || feature.length === 0) throw new KernelcastError("model", `${path}: a tree is damaged`);
  }
}
