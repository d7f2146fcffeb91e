import { forecastCrps, KernelcastError, mean, type DeviceInfo, type Recording } from "../domain/index.ts";
import { featureNames } from "../forecast/static/features.ts";
import { compact, predict, sigmoid } from "../forecast/static/gbdt/model.ts";
import { meanLogNormal } from "../forecast/static/static-forecaster.ts";
import type { StaticModel } from "../forecast/static/static-model.ts";
import { fitOk, fitPlatt, fitRuntime, fitSpread, predictRuntime } from "./fit-static.ts";
import { taskExamples, type Example } from "./static-dataset.ts";
import { constantPrior, reportOn, type Judged, type StaticReport } from "./static-report.ts";

export interface TrainStaticOptions {
  readonly device: DeviceInfo;
  /** Tasks to train on. */
  readonly taskIds: readonly string[];
  /** Told what is being done, a line at a time. */
  readonly onProgress?: (line: string) => void;
}

export interface TrainedStatic {
  readonly model: StaticModel;
  /** Scores with each family left out of training in turn: with the seed as only anchor, and with up to eight others. */
  readonly seedOnly: StaticReport;
  readonly anchors: StaticReport;
}

/** What forecasts of families left out of training came to, example by example. */
interface HeldOut {
  readonly runtime: readonly number[];
  readonly spread: readonly number[];
  readonly logOdds: readonly number[];
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
  const families = [...new Set(examples.map(({ family }) => family))];
  if (families.length < 2) {
    throw new KernelcastError(
      "recording",
      `${recording.name}: training needs measured tasks of at least two families on ${device.name}, found ${families.length}`,
    );
  }
  const heldOut = leaveFamiliesOut(examples, families, onProgress);
  const calibration = calibrate(examples, heldOut);
  const model = fitModel(examples, heldOut, calibration, { recording, device, onProgress });
  const judged = judge(examples, heldOut, calibration);
  const report = (view: Example["view"]): StaticReport =>
    reportOn(
      judged.filter((_, row) => examples[row]?.view === view),
      { m: model.prior.median, sigmaLow: model.prior.sigmaLow, sigmaHigh: model.prior.sigmaHigh },
    );
  return { model, seedOnly: report("seed-only"), anchors: report("anchors") };
}

function leaveFamiliesOut(
  examples: readonly Example[],
  families: readonly string[],
  onProgress: (line: string) => void,
): HeldOut {
  const runtime = examples.map(() => Number.NaN);
  const logOdds = examples.map(() => Number.NaN);
  const spread = examples.map(() => Number.NaN);
  for (const family of families) {
    onProgress(`training without ${family}`);
    const rest = examples.filter((example) => example.family !== family);
    const fit = fitRuntime(rest, ["static", family]);
    const ok = fitOk(rest, ["static", family]);
    examples.forEach(({ features, family: own }, row) => {
      if (own !== family) return;
      runtime[row] = predictRuntime(fit, features);
      logOdds[row] = predict(ok, features);
    });
  }
  for (const family of families) {
    const known = errorsOf(examples, runtime, (example) => example.family !== family);
    const fit = fitSpread(known.examples, known.errors, ["static", family]);
    examples.forEach(({ features, family: own }, row) => {
      if (own === family) spread[row] = Math.exp(predict(fit, features) - meanLogNormal);
    });
  }
  return { runtime, spread, logOdds };
}

/** Working kernels with the errors of their held-out forecasts. */
function errorsOf(
  examples: readonly Example[],
  runtime: readonly number[],
  choose: (example: Example) => boolean,
): { readonly examples: readonly Example[]; readonly errors: readonly number[] } {
  const rows = examples.flatMap((example, row) => (example.ok && choose(example) ? [row] : []));
  return {
    examples: rows.map((row) => examples[row] as Example),
    errors: rows.map((row) => (examples[row] as Example).target - (runtime[row] as number)),
  };
}

type Calibration = StaticModel["calibration"];

/** Factors of the widths that give the lowest CRPS, and Platt's line for p_ok, on held-out forecasts. */
function calibrate(examples: readonly Example[], heldOut: HeldOut): Calibration {
  const factors = Array.from({ length: 31 }, (_, step) => 0.4 * 1.07 ** step);
  let best = { scaleLow: 1, scaleHigh: 1 };
  const cost = (scales: typeof best): number =>
    mean(
      examples.flatMap(({ ok, target }, row) => (ok ? forecastCrps(distribution(heldOut, row, scales), target) : [])),
    ) ?? 0;
  for (let round = 0; round < 2; round++) {
    best = lowest(
      factors.map((scaleLow) => ({ ...best, scaleLow })),
      cost,
    );
    best = lowest(
      factors.map((scaleHigh) => ({ ...best, scaleHigh })),
      cost,
    );
  }
  const { slope, shift } = fitPlatt(
    heldOut.logOdds,
    examples.map(({ ok }) => ok),
  );
  return { ...best, okSlope: slope, okShift: shift };
}

function lowest<T>(choices: readonly T[], cost: (choice: T) => number): T {
  const costs = choices.map(cost);
  return choices[costs.indexOf(Math.min(...costs))] as T;
}

function distribution(
  { runtime, spread }: HeldOut,
  row: number,
  { scaleLow, scaleHigh }: Pick<Calibration, "scaleLow" | "scaleHigh">,
): { m: number; sigmaLow: number; sigmaHigh: number } {
  const sigma = spread[row] as number;
  return { m: runtime[row] as number, sigmaLow: scaleLow * sigma, sigmaHigh: scaleHigh * sigma };
}

function judge(examples: readonly Example[], heldOut: HeldOut, calibration: Calibration): Judged[] {
  return examples.map(({ taskId, ok, target }, row) => ({
    taskId,
    ok,
    target,
    pOk: sigmoid(calibration.okSlope * (heldOut.logOdds[row] as number) + calibration.okShift),
    forecast: distribution(heldOut, row, calibration),
  }));
}

function fitModel(
  examples: readonly Example[],
  heldOut: HeldOut,
  calibration: Calibration,
  { recording, device, onProgress }: { recording: Recording; device: DeviceInfo; onProgress: (line: string) => void },
): StaticModel {
  onProgress("training on all tasks");
  const { line, median } = fitRuntime(examples, ["static", "all"]);
  const known = errorsOf(examples, heldOut.runtime, () => true);
  const targets = examples.flatMap(({ ok, target }) => (ok ? [target] : []));
  const prior = constantPrior(targets);
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
    median: copy(median),
    spread: copy(fitSpread(known.examples, known.errors, ["static", "all"])),
    ok: copy(fitOk(examples, ["static", "all"])),
    calibration,
    prior: {
      median: prior.m,
      sigmaLow: prior.sigmaLow,
      sigmaHigh: prior.sigmaHigh,
      pOk: examples.filter(({ ok }) => ok).length / examples.length,
    },
    trainedOn: {
      recording: recording.name,
      device: device.name,
      tasks: [...new Set(examples.map(({ taskId }) => taskId))],
      kernels: new Set(examples.map(({ kernelId }) => kernelId)).size,
    },
  };
}

/** The trees rounded, as mutable plain data. */
function copy(trees: Parameters<typeof compact>[0]): StaticModel["median"] {
  return structuredClone(compact(trees)) as StaticModel["median"];
}
