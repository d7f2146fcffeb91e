import type { RuntimeDistribution } from "../domain/index.ts";
import type { JudgedTask } from "../evaluate/judged-task.ts";
import { scoreTasks, type ForecastScores } from "../evaluate/score-tasks.ts";
import { correct, type AnchorError } from "../forecast/static/anchor-correction.ts";
import { sigmoid } from "../forecast/static/gbdt/model.ts";
import type { StaticModel } from "../forecast/static/static-model.ts";
import type { Example } from "./static-dataset.ts";

/** A forecast beside the truth, both over log2(runtime / seed's runtime). */
export interface Judged {
  readonly ok: boolean;
  readonly target: number;
  readonly pOk: number;
  readonly forecast: RuntimeDistribution;
}

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
  readonly seedOnly: ForecastScores;
  /** Eight other anchors, with compile evidence. */
  readonly anchors: ForecastScores;
}

/** Draws the kernels that stand for templates, and the bootstrap. */
const scoreSeed = 1;

export function scoreExamples(
  examples: readonly Example[],
  predictions: Predictions,
  { calibration, prior }: Pick<StaticModel, "calibration" | "prior">,
): StaticScores {
  const distribution = { m: prior.median, sigmaLow: prior.sigmaLow, sigmaHigh: prior.sigmaHigh };
  const score = (view: Example["view"], choice: AnchorChoice): ForecastScores => {
    const judged = judgeExamples(examples, predictions, calibration, choice);
    return scoreTasks(toTasks(examples, judged, view, distribution), scoreSeed);
  };
  return { seedOnly: score("bare", "seed"), anchors: score("compiled", "others") };
}

/** Judged examples of one view, by task. Their log2 runtimes are relative to the seed's, which no score minds. */
function toTasks(
  examples: readonly Example[],
  judged: readonly Judged[],
  view: Example["view"],
  prior: RuntimeDistribution,
): JudgedTask[] {
  return [...new Set(examples.map(({ taskId }) => taskId))].map((taskId) => {
    const rows = examples.flatMap((example, row) => (example.taskId === taskId ? [{ example, row }] : []));
    const working = rows.filter(({ example }) => example.ok);
    return {
      taskId,
      judged: rows
        .filter(({ example }) => example.view === view)
        .map(({ example: { kernelId, parentId, templateId, ok, target }, row }) => {
          const { forecast, pOk } = judged[row] as Judged;
          const log2Us = ok ? target : undefined;
          return { kernelId, parentId, templateId, forecast: { kernelId, pOk, ...forecast }, log2Us };
        }),
      log2Us: new Map(working.map(({ example }) => [example.kernelId, example.target])),
      prior,
    };
  });
}
