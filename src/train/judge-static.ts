import type { DeviceInfo, Recording } from "../domain/index.ts";
import { predict } from "../forecast/static/gbdt/model.ts";
import { meanLogNormal } from "../forecast/static/static-forecaster.ts";
import { predictRatio, type StaticModel } from "../forecast/static/static-model.ts";
import { taskExamples } from "./static-dataset.ts";
import { scoreExamples, type StaticScores } from "./static-judgement.ts";

/** Scores a trained model on tasks, which should be none of those it was trained on. */
export function judgeStatic(
  model: StaticModel,
  recording: Recording,
  { device, taskIds }: { readonly device: DeviceInfo; readonly taskIds: readonly string[] },
): StaticScores {
  const examples = taskIds.flatMap((taskId) => taskExamples(recording, taskId, device));
  const predictions = {
    ratio: examples.map(({ features }) => predictRatio(model, features)),
    sigma: examples.map(({ features }) => Math.exp(predict(model.spread, features) - meanLogNormal)),
    logOdds: examples.map(({ features }) => predict(model.ok, features)),
  };
  return scoreExamples(examples, predictions, model);
}
