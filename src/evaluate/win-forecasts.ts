import { forecastCdf } from "../domain/index.ts";
import { workingForecasts, type JudgedTask } from "./judged-task.ts";

/** What a forecast says of a kernel against its parent, and what came of it. */
export interface WinForecast {
  /** P(faster than its parent by more than 2 %, given ok). */
  readonly probability: number;
  readonly win: boolean;
}

const winLog2 = Math.log2(1.02);

/** Of each working kernel whose parent has a measured time; that time is the threshold, whether or not it was shown. */
export function winForecasts(task: JudgedTask): WinForecast[] {
  return workingForecasts(task).flatMap(({ parentId, forecast, log2Us }) => {
    const parent = parentId === null ? undefined : task.log2Us.get(parentId);
    if (parent === undefined) return [];
    return [{ probability: forecastCdf(forecast, parent - winLog2), win: log2Us < parent - winLog2 }];
  });
}
