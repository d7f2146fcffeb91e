import { forecastPdf, KernelcastError, type DeviceInfo, type Forecaster, type Recording } from "../domain/index.ts";
import { fitRecipe } from "../forecast/calibrate/fit-recipe.ts";
import { calibrate } from "../forecast/calibrate/refit.ts";
import type { CalibrationRecipe } from "../forecast/calibrate/recipe.ts";
import type { EnsembleRecipe } from "../forecast/ensemble/ensemble-recipe.ts";
import { fitPoolWeights } from "../forecast/ensemble/weights.ts";
import { calibrationExamples, type CalibrationExample, type CalibrationView } from "./calibration-pairs.ts";

export interface MemberToCalibrate {
  readonly name: string;
  readonly modelSha256: string;
  readonly forecaster: Forecaster;
}

export interface CalibrateOptions {
  readonly device: DeviceInfo;
  readonly taskIds: readonly string[];
  /** Name of the split that the tasks are, for the record. */
  readonly split: string;
  /** What the forecasters are shown; by default all situations of a search. */
  readonly views?: readonly CalibrationView[];
  /** Told what is being done, a line at a time. */
  readonly onProgress?: (line: string) => void;
}

/**
 * Asks every member for the kernels of some tasks, fits its recipe, and the weights with which the calibrated members pool
 * best. Deterministic. Throws `KernelcastError("recording", …)` where nothing was measured.
 */
export async function calibrateEnsemble(
  members: readonly MemberToCalibrate[],
  recording: Recording,
  { device, taskIds, split, views, onProgress = () => {} }: CalibrateOptions,
): Promise<EnsembleRecipe> {
  const asked = await Promise.all(
    members.map(async ({ name, forecaster }) => {
      const examples: CalibrationExample[] = [];
      for (const taskId of taskIds) {
        onProgress(`asking ${name} for ${taskId}`);
        examples.push(
          ...(await calibrationExamples(forecaster, recording, { device, taskId, ...(views ? { views } : {}) })),
        );
      }
      return examples;
    }),
  );
  const tasks = [...new Set(asked.flat().map(({ taskId }) => taskId))];
  if (tasks.length === 0) {
    throw new KernelcastError("recording", `${recording.name}: no task of ${split} was measured on ${device.name}`);
  }
  const recipes = asked.map((examples, index) => {
    onProgress(`calibrating ${members[index]?.name}`);
    return rounded(fitRecipe(examples));
  });
  const weights = poolWeights(asked, recipes);
  return {
    format: "kernelcast-ensemble-1",
    members: members.map(({ name, modelSha256 }, index) => ({
      name,
      modelSha256,
      weight: Number((weights[index] as number).toPrecision(4)),
      recipe: structuredClone(recipes[index]) as EnsembleRecipe["members"][number]["recipe"],
    })),
    fittedOn: {
      recording: recording.name,
      split,
      device: device.name,
      tasks,
      kernels: new Set(asked.flat().map(({ kernelId }) => kernelId)).size,
      outcomes: Math.max(...asked.map(({ length }) => length)),
    },
  };
}

/** Weights on the outcomes that every member has forecast. */
function poolWeights(asked: readonly CalibrationExample[][], recipes: readonly CalibrationRecipe[]): number[] {
  const [first = [], ...rest] = asked;
  const keyOf = ({ view, kernelId }: CalibrationExample): string => `${view} ${kernelId}`;
  const others = rest.map((examples) => new Map(examples.map((example) => [keyOf(example), example])));
  const joint = first.flatMap((example) => {
    const row = [example, ...others.map((byKey) => byKey.get(keyOf(example)))];
    return row.every((one) => one !== undefined) ? [row] : [];
  });
  const densities = joint.map((row) => row.map((example, index) => densityOf(recipes[index], example)));
  return fitPoolWeights(
    densities,
    joint.map(([example]) => example?.weight ?? 0),
  );
}

/** What a calibrated member thought of the outcome: its probability of failure, or its density where it worked. */
function densityOf(recipe: CalibrationRecipe | undefined, { raw, reference, log2Us }: CalibrationExample): number {
  if (!recipe) return 0;
  const forecast = calibrate(recipe, { raw, reference });
  return log2Us === undefined ? 1 - forecast.pOk : forecast.pOk * forecastPdf(forecast, log2Us);
}

/** Six digits: more would only make files differ between machines. */
function rounded(recipe: CalibrationRecipe): CalibrationRecipe {
  return JSON.parse(
    JSON.stringify(recipe, (_, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(6)) : value)),
  ) as CalibrationRecipe;
}
