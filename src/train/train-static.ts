import { KernelcastError, type DeviceInfo, type Recording } from "../domain/index.ts";
import { featureNames } from "../forecast/static/features.ts";
import { compact, predict, type BoostedTrees } from "../forecast/static/gbdt/model.ts";
import { meanLogNormal } from "../forecast/static/static-forecaster.ts";
import { predictRatio, type StaticModel } from "../forecast/static/static-model.ts";
import { calibrateStatic } from "./calibrate-static.ts";
import { constantPrior } from "./constant-prior.ts";
import { fitOk, fitRuntime, fitSpread } from "./fit-static.ts";
import { taskExamples, type Example } from "./static-dataset.ts";
import { scoreExamples, type Predictions, type StaticScores } from "./static-judgement.ts";

export interface TrainStaticOptions {
  readonly device: DeviceInfo;
  /** Tasks to train on. */
  readonly taskIds: readonly string[];
  /** Told what is being done, a line at a time. */
  readonly onProgress?: (line: string) => void;
}

export interface TrainedStatic {
  readonly model: StaticModel;
  /** Scores with each family left out of training in turn. The calibration has seen these forecasts, the trees have not. */
  readonly heldOut: StaticScores;
}

/**
 * Trains the static forecaster on some tasks of a recording. Each family is left out in turn; its forecasts fit the
 * widths and the calibration, and are reported. The model itself is then fitted to all of the tasks. Deterministic.
 * Throws `KernelcastError("recording", …)` with fewer than two families to learn from.
 */
export function trainStatic(recording: Recording, options: TrainStaticOptions): TrainedStatic {
  const { device, taskIds, onProgress = () => {} } = options;
  const examples = taskIds.flatMap((taskId) => {
    onProgress(`reading ${taskId}`);
    return taskExamples(recording, taskId, device);
  });
  return trainOnExamples(examples, recording, options);
}

/** `trainStatic` on examples that have been read already. */
export function trainOnExamples(
  examples: readonly Example[],
  recording: Pick<Recording, "name">,
  { device, onProgress = () => {} }: Omit<TrainStaticOptions, "taskIds">,
): TrainedStatic {
  const families = [...new Set(examples.map(({ family }) => family))];
  if (families.length < 2) {
    throw new KernelcastError(
      "recording",
      `${recording.name}: training needs measured tasks of at least two families on ${device.name}, found ${families.length}`,
    );
  }
  const heldOut = leaveFamiliesOut(examples, families, onProgress);
  onProgress("calibrating");
  const calibration = calibrateStatic(examples, heldOut);
  onProgress("training on all tasks");
  const parts = fitParts(examples, heldOut);
  const model = { ...parts, calibration, trainedOn: describeTraining(recording, device, examples) };
  return { model, heldOut: scoreExamples(examples, heldOut, model) };
}

function leaveFamiliesOut(
  examples: readonly Example[],
  families: readonly string[],
  onProgress: (line: string) => void,
): Predictions {
  const ratio = examples.map(() => Number.NaN);
  const logOdds = examples.map(() => Number.NaN);
  const sigma = examples.map(() => Number.NaN);
  for (const family of families) {
    onProgress(`training without ${family}`);
    const rest = examples.filter((example) => example.family !== family);
    const fit = fitRuntime(rest, ["static", family]);
    const ok = fitOk(rest, ["static", family]);
    examples.forEach(({ features, family: own }, row) => {
      if (own !== family) return;
      ratio[row] = predictRatio(fit, features);
      logOdds[row] = predict(ok, features);
    });
  }
  for (const family of families) {
    const known = errorsOf(examples, ratio, (example) => example.family !== family);
    const fit = fitSpread(known.examples, known.errors, ["static", family]);
    examples.forEach(({ features, family: own }, row) => {
      if (own === family) sigma[row] = Math.exp(predict(fit, features) - meanLogNormal);
    });
  }
  return { ratio, sigma, logOdds };
}

/** Working kernels with the errors of their held-out forecasts. */
function errorsOf(
  examples: readonly Example[],
  ratio: readonly number[],
  choose: (example: Example) => boolean,
): { readonly examples: readonly Example[]; readonly errors: readonly number[] } {
  const rows = examples.flatMap((example, row) => (example.ok && choose(example) ? [row] : []));
  return {
    examples: rows.map((row) => examples[row] as Example),
    errors: rows.map((row) => (examples[row] as Example).target - (ratio[row] as number)),
  };
}

function fitParts(examples: readonly Example[], heldOut: Predictions): Omit<StaticModel, "calibration" | "trainedOn"> {
  const { line, median } = fitRuntime(examples, ["static", "all"]);
  const known = errorsOf(examples, heldOut.ratio, () => true);
  const prior = constantPrior(examples.flatMap(({ ok, target }) => (ok ? [target] : [])));
  const round = (values: readonly number[]): number[] => values.map((value) => Number(value.toPrecision(6)));
  return {
    format: "kernelcast-static-1",
    featureNames: [...featureNames],
    line: {
      features: [...line.features],
      weights: round(line.weights),
      centres: round(line.centres),
      low: round(line.low),
      high: round(line.high),
    },
    median: plain(median),
    spread: plain(fitSpread(known.examples, known.errors, ["static", "all"])),
    ok: plain(fitOk(examples, ["static", "all"])),
    prior: {
      median: prior.m,
      sigmaLow: prior.sigmaLow,
      sigmaHigh: prior.sigmaHigh,
      pOk: examples.filter(({ ok }) => ok).length / examples.length,
    },
  };
}

function describeTraining(
  recording: Pick<Recording, "name">,
  device: DeviceInfo,
  examples: readonly Example[],
): StaticModel["trainedOn"] {
  return {
    recording: recording.name,
    device: device.name,
    tasks: [...new Set(examples.map(({ taskId }) => taskId))],
    kernels: new Set(examples.map(({ kernelId }) => kernelId)).size,
  };
}

/** The trees rounded, as mutable plain data. */
function plain(trees: BoostedTrees): StaticModel["median"] {
  return structuredClone(compact(trees)) as StaticModel["median"];
}
