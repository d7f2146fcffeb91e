import { applyIsotonic, fitIsotonic, forecastCdf, keyedShuffle } from "../../domain/index.ts";
import { calibrateOk, calibrateRuntime, calibrateWin, logOdds, winLog2 } from "./apply-recipe.ts";
import { fitCurve, type CalibrationPair, type Objective } from "./fit-curve.ts";
import { minimise } from "./minimise.ts";
import type { CalibrationRecipe, LogOddsLine, OkCalibration, WinLine } from "./recipe.ts";

/** A pair with the family of its task: what is fitted is always judged on other families. */
export interface FamilyPair extends CalibrationPair {
  readonly family: string;
}

/** The log score with twice the Brier score of wins: see decision 8 for what else was tried. */
const chosenObjective: Objective = { crps: 0, brier: 2, log: 1 };

/** Fits a recipe to forecasts and their outcomes. Deterministic. Without working kernels it believes the forecaster. */
export function fitRecipe(pairs: readonly FamilyPair[], objective: Objective = chosenObjective): CalibrationRecipe {
  const curve = fitCurve(pairs, objective);
  return { curve, win: fitWin(curve, pairs), ok: chooseOk(pairs) };
}

/** Pseudo-outcomes that agree with the forecaster: with few failures a line would otherwise be drawn through noise. */
const linePrior = 4;

function fitWin(curve: CalibrationRecipe["curve"], pairs: readonly CalibrationPair[]): WinLine {
  const trials = pairs.flatMap(({ raw, reference, log2Us, weight }) => {
    if (log2Us === undefined || !reference) return [];
    const limit = reference.log2Us - winLog2;
    return [{ forecast: calibrateRuntime(curve, raw, reference), reference, limit, hit: log2Us < limit, weight }];
  });
  return fitLine(trials, ({ forecast, reference, limit }, line) =>
    forecastCdf(calibrateWin(line, forecast, reference), limit),
  );
}

function fitOkLine(pairs: readonly CalibrationPair[]): OkCalibration {
  const trials = pairs.map(({ raw, log2Us, weight }) => ({ raw, hit: log2Us !== undefined, weight }));
  const line = fitLine(trials, ({ raw }, candidate) => calibrateOk({ kind: "line", ...candidate }, raw.pOk));
  return { kind: "line", ...line };
}

/** The line of lowest log loss, held to slope 1 and shift 0 by a few pseudo-outcomes. */
function fitLine<T extends { readonly hit: boolean; readonly weight: number }>(
  trials: readonly T[],
  probability: (trial: T, line: LogOddsLine) => number,
): LogOddsLine {
  const weights = trials.reduce((sum, { weight }) => sum + weight, 0);
  if (weights === 0) return { slope: 1, shift: 0 };
  const [slope = 1, shift = 0] = minimise(
    ([a = 1, b = 0]) => {
      let loss = (linePrior / trials.length) * ((a - 1) ** 2 + b ** 2);
      for (const trial of trials) {
        const p = probability(trial, { slope: a, shift: b });
        loss -= (trial.weight / weights) * Math.log(Math.max(1e-12, trial.hit ? p : 1 - p));
      }
      return loss;
    },
    [1, 0],
  );
  return { slope, shift };
}

const okFolds = 4;

/** With fewer failures than this a step fit only follows their noise. */
const fewestFailures = 100;

/** The line, or the step fit where that has the lower log loss on families left out. */
function chooseOk(pairs: readonly FamilyPair[]): OkCalibration {
  const line = fitOkLine(pairs);
  const failures = pairs.filter(({ log2Us }) => log2Us === undefined).length;
  if (failures < fewestFailures) return line;
  const families = keyedShuffle([...new Set(pairs.map(({ family }) => family))].sort(), "ok-folds");
  const foldOf = new Map(families.map((family, index) => [family, index % okFolds]));
  const lossOf = (fit: (rest: readonly FamilyPair[]) => OkCalibration): number => {
    let loss = 0;
    for (let fold = 0; fold < okFolds; fold++) {
      const calibration = fit(pairs.filter(({ family }) => foldOf.get(family) !== fold));
      for (const pair of pairs) if (foldOf.get(pair.family) === fold) loss += okLoss(calibration, pair);
    }
    return loss;
  };
  return lossOf(fitOkSteps) < lossOf(fitOkLine) ? fitOkSteps(pairs) : line;
}

function okLoss(calibration: OkCalibration, { raw, log2Us, weight }: CalibrationPair): number {
  const p = calibrateOk(calibration, raw.pOk);
  return -weight * Math.log(log2Us === undefined ? 1 - p : p);
}

/** The step fit, none of whose steps is surer than its share of the outcomes allows. */
export function fitOkSteps(pairs: readonly CalibrationPair[]): Extract<OkCalibration, { kind: "isotonic" }> {
  const x = pairs.map(({ raw }) => logOdds(raw.pOk));
  const y = pairs.map(({ log2Us }) => (log2Us === undefined ? 0 : 1));
  const whole = fitIsotonic(
    x,
    y,
    pairs.map(({ weight }) => weight),
  );
  // Knots at equal ranks keep the file small and say as much; none is surer than its share of the outcomes allows.
  const sorted = x.toSorted((a, b) => a - b);
  const places = Array.from(
    { length: okKnots },
    (_, rank) => sorted[Math.round((rank * (sorted.length - 1)) / (okKnots - 1))] as number,
  );
  const knots = [...new Set(places)];
  const surest = 1 / (x.length / okKnots + 2);
  const within = (p: number): number => Math.min(1 - surest, Math.max(surest, p));
  return { kind: "isotonic", fit: { x: knots, y: knots.map((place) => within(applyIsotonic(whole, place))) } };
}

const okKnots = 33;
