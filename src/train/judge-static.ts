import type { DeviceInfo, Recording } from "../domain/index.ts";
import { predict, sigmoid } from "../forecast/static/gbdt/model.ts";
import { meanLogNormal } from "../forecast/static/static-forecaster.ts";
import { lineValue, type StaticModel } from "../forecast/static/static-model.ts";
import { taskExamples, type Example } from "./static-dataset.ts";
import { reportOn, type Judged, type StaticReport } from "./static-report.ts";

/** Scores a trained model on tasks, which should be none of those it was trained on. */
export function judgeStatic(
  model: StaticModel,
  recording: Recording,
  { device, taskIds }: { readonly device: DeviceInfo; readonly taskIds: readonly string[] },
): { readonly seedOnly: StaticReport; readonly anchors: StaticReport } {
  const examples = taskIds.flatMap((taskId) => taskExamples(recording, taskId, device));
  const { median, sigmaLow, sigmaHigh } = model.prior;
  const report = (view: Example["view"]): StaticReport =>
    reportOn(
      examples.filter((example) => example.view === view).map((example) => judge(model, example)),
      { m: median, sigmaLow, sigmaHigh },
    );
  return { seedOnly: report("seed-only"), anchors: report("anchors") };
}

function judge(model: StaticModel, { taskId, ok, target, features }: Example): Judged {
  const sigma = Math.exp(predict(model.spread, features) - meanLogNormal);
  const { scaleLow, scaleHigh, okSlope, okShift } = model.calibration;
  return {
    taskId,
    ok,
    target,
    pOk: sigmoid(okSlope * predict(model.ok, features) + okShift),
    forecast: {
      m: lineValue(model.line, features) + predict(model.median, features),
      sigmaLow: scaleLow * sigma,
      sigmaHigh: scaleHigh * sigma,
    },
  };
}
