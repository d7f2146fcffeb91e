/** Forecasts of the study's runs and of others, judged on the same kernels. */
import type { DeviceInfo, Forecaster, RecordedForecast, Recording } from "../../src/domain/index.ts";
import type { View } from "../../src/evaluate/plan-view.ts";
import { judgeForecaster, type JudgedAnswers } from "../../src/evaluate/judge-forecaster.ts";
import type { Calibration } from "../../src/evaluate/study/judged-arm.ts";
import { constantPOk, constantPrior } from "../../src/forecast/baseline/baseline-forecaster.ts";
import {
  fitIsotonicRecipe,
  isotonicForecaster,
  type IsotonicRecipe,
} from "../../src/forecast/calibrate/isotonic-recipe.ts";
import { createEnsembleForecaster } from "../../src/forecast/ensemble/ensemble-forecaster.ts";
import type { EnsembleRecipe } from "../../src/forecast/ensemble/ensemble-recipe.ts";
import { recordedForecaster } from "../../src/forecast/recorded/recorded-forecaster.ts";
import { calibrateEnsemble } from "../../src/train/calibrate-ensemble.ts";
import {
  calibrationExamples,
  type CalibrationExample,
  type CalibrationView,
} from "../../src/train/calibration-pairs.ts";
import { tasksOfSplit } from "../tasks-of-split.ts";

export interface JudgeSetting {
  readonly recording: Recording;
  readonly device: DeviceInfo;
  readonly perTask: number;
  readonly seed: number;
  readonly view: View;
}

/** A forecaster as given and, where it forecast kernels of split validation, calibrated in both ways on these. */
export interface Variants {
  readonly forecasters: ReadonlyMap<Calibration, Forecaster>;
  readonly recipe?: EnsembleRecipe;
  readonly isotonic?: IsotonicRecipe;
}

/** Each kernel is asked for once, with what is known in the view or a part of it. */
const calibrationView: Readonly<Record<View, CalibrationView>> = { start: "seed", search: "parent" };

/** A forecaster as it is, and as calibrating it on split validation makes it. `sha256` is of what it goes by. */
export async function variantsOf(
  raw: Forecaster,
  sha256: string,
  { recording, device, view }: Pick<JudgeSetting, "recording" | "device" | "view">,
): Promise<Variants> {
  const { name } = raw;
  const taskIds = tasksOfSplit(recording, "validation");
  const views = [calibrationView[view]];
  const examples: CalibrationExample[] = [];
  for (const taskId of taskIds) {
    examples.push(...(await calibrationExamples(raw, recording, { device, taskId, views })));
  }
  if (examples.length === 0) return { forecasters: new Map([["raw", raw]]) };
  const options = { device, taskIds, split: "validation", views } as const;
  const recipe = await calibrateEnsemble([{ name, modelSha256: sha256, forecaster: raw }], recording, options);
  const isotonic = fitIsotonicRecipe(examples);
  const members = recipe.members.map((member) => ({ ...member, forecaster: raw }));
  const forecasters = new Map<Calibration, Forecaster>([
    ["raw", raw],
    ["calibrated", createEnsembleForecaster({ name: `${name}, calibrated`, members, device: device.name })],
    ["isotonic", isotonicForecaster(raw, isotonic, `${name}, isotonic`)],
  ]);
  return { forecasters, recipe, isotonic };
}

/** Recorded forecasts of one forecaster; where no answer was readable there are none. */
export function recordedRun(name: string, forecasts: readonly RecordedForecast[]): Forecaster {
  if (forecasts.length > 0) return recordedForecaster(forecasts, { where: name });
  return { name, forecast: async () => ({ forecasts: [], cost: { cpuSeconds: 0, tokens: 0, usd: 0 } }) };
}

/** The forecaster's answers for the sample of every task of split test. */
export async function judgeOnTest(
  forecaster: Forecaster,
  { recording, device, perTask, seed, view }: JudgeSetting,
): Promise<JudgedAnswers[]> {
  const prior = { ...constantPrior, pOk: constantPOk };
  const options = { device, perTask, seed, prior, view, evidence: true } as const;
  const judged: JudgedAnswers[] = [];
  for (const taskId of tasksOfSplit(recording, "test")) {
    const answers = await judgeForecaster(forecaster, recording, { ...options, taskId });
    if (answers) judged.push(answers);
  }
  return judged;
}
