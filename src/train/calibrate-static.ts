import { forecastLogScore, mean } from "../domain/index.ts";
import type { StaticModel } from "../forecast/static/static-model.ts";
import { fitPlatt } from "./fit-static.ts";
import type { Example } from "./static-dataset.ts";
import { judgeExamples, type AnchorChoice, type Predictions } from "./static-judgement.ts";

type Calibration = StaticModel["calibration"];

const start: Calibration = {
  scaleLow: 1,
  scaleHigh: 1,
  okSlope: 1,
  okShift: 0,
  anchors: { reach: 1, steadiness: 2, sharpening: 0.3 },
};

/**
 * Fits the calibration to forecasts of tasks held out: widths and the anchors' say by the lowest mean log score, which
 * punishes overconfidence, one number at a time; and Platt's line for p_ok.
 */
export function calibrateStatic(examples: readonly Example[], heldOut: Predictions): Calibration {
  const cost = (calibration: Calibration): number => heldOutScore(examples, heldOut, calibration);
  let best = start;
  for (let round = 0; round < 2; round++) {
    for (const vary of variations) best = lowest(vary(best), cost);
  }
  const labels = examples.map(({ ok }) => ok);
  const { slope, shift } = fitPlatt(heldOut.logOdds, labels);
  return { ...best, okSlope: slope, okShift: shift };
}

const scales = Array.from({ length: 16 }, (_, step) => 0.4 * 1.15 ** step);

const variations: readonly ((from: Calibration) => Calibration[])[] = [
  (from) => scales.map((scale) => ({ ...from, scaleLow: scale })),
  (from) => scales.map((scale) => ({ ...from, scaleHigh: scale })),
  (from) => [0.15, 0.25, 0.4, 0.6, 1, 1.6, 3].map((reach) => ({ ...from, anchors: { ...from.anchors, reach } })),
  (from) => [0.1, 0.25, 0.5, 1, 2, 4, 8].map((steadiness) => ({ ...from, anchors: { ...from.anchors, steadiness } })),
  (from) => [0, 0.2, 0.4, 0.6, 0.8].map((sharpening) => ({ ...from, anchors: { ...from.anchors, sharpening } })),
];

function heldOutScore(examples: readonly Example[], heldOut: Predictions, calibration: Calibration): number {
  const choices: readonly AnchorChoice[] = ["seed", "others"];
  const scores = choices.flatMap((choice) =>
    judgeExamples(examples, heldOut, calibration, choice).flatMap(({ ok, forecast, target }, row) =>
      ok && examples[row]?.view === "bare" ? [forecastLogScore(forecast, target)] : [],
    ),
  );
  return mean(scores) ?? 0;
}

function lowest<T>(choices: readonly T[], cost: (choice: T) => number): T {
  const costs = choices.map(cost);
  return choices[costs.indexOf(Math.min(...costs))] as T;
}
