import { correct, type AnchorError } from "../forecast/static/anchor-correction.ts";
import { sigmoid } from "../forecast/static/gbdt/model.ts";
import type { StaticModel } from "../forecast/static/static-model.ts";
import type { Example } from "./static-dataset.ts";
import { reportOn, type Judged, type StaticReport } from "./static-report.ts";

/** What a model says of examples, row by row, before calibration and anchors. */
export interface Predictions {
  /** log2(runtime / seed's runtime). */
  readonly ratio: readonly number[];
  /** Expected width of its error. */
  readonly sigma: readonly number[];
  readonly logOdds: readonly number[];
}

/** Which measured kernels correct a forecast: the seed alone, or others too. */
export type AnchorChoice = "seed" | "others";

type Calibration = StaticModel["calibration"];

/** Errors of the forecasts of working kernels, by kernel, without evidence. */
function forecastErrors(examples: readonly Example[], { ratio }: Predictions): ReadonlyMap<string, number> {
  const errors = new Map<string, number>();
  examples.forEach(({ kernelId, ok, view, target }, row) => {
    if (ok && view === "bare") errors.set(kernelId, target - (ratio[row] as number));
  });
  return errors;
}

/** Calibrated forecasts of examples, corrected by anchors. */
export function judgeExamples(
  examples: readonly Example[],
  predictions: Predictions,
  calibration: Calibration,
  choice: AnchorChoice,
): Judged[] {
  const errors = forecastErrors(examples, predictions);
  return examples.map((example, row) => {
    const { shift, narrowing } = correct(calibration.anchors, anchorErrors(example, errors, choice));
    const sigma = narrowing * (predictions.sigma[row] as number);
    return {
      taskId: example.taskId,
      ok: example.ok,
      target: example.target,
      pOk: sigmoid(calibration.okSlope * (predictions.logOdds[row] as number) + calibration.okShift),
      forecast: {
        m: (predictions.ratio[row] as number) + shift,
        sigmaLow: calibration.scaleLow * sigma,
        sigmaHigh: calibration.scaleHigh * sigma,
      },
    };
  });
}

function anchorErrors(
  { kernelId, seed, others }: Example,
  errors: ReadonlyMap<string, number>,
  choice: AnchorChoice,
): AnchorError[] {
  const anchors = choice === "seed" ? [seed] : [seed, ...others];
  return anchors
    .filter((anchor) => anchor.kernelId !== kernelId)
    .flatMap(({ kernelId: anchorId, distance }) => {
      const error = errors.get(anchorId);
      return error === undefined ? [] : [{ distance, error }];
    });
}

/** Scores in the two situations of a search: at its start, and with some kernels measured and compiled. */
export interface StaticScores {
  /** The seed kernel as only anchor, no compile evidence. */
  readonly seedOnly: StaticReport;
  /** Eight other anchors, with compile evidence. */
  readonly anchors: StaticReport;
}

export function scoreExamples(
  examples: readonly Example[],
  predictions: Predictions,
  { calibration, prior }: Pick<StaticModel, "calibration" | "prior">,
): StaticScores {
  const report = (view: Example["view"], choice: AnchorChoice): StaticReport =>
    reportOn(
      judgeExamples(examples, predictions, calibration, choice).filter((_, row) => examples[row]?.view === view),
      { m: prior.median, sigmaLow: prior.sigmaLow, sigmaHigh: prior.sigmaHigh },
    );
  return { seedOnly: report("bare", "seed"), anchors: report("compiled", "others") };
}
