import type { Forecast, RuntimeDistribution } from "../domain/index.ts";

/** A forecast of one kernel beside what the device said. */
export interface JudgedForecast {
  readonly kernelId: string;
  readonly parentId: string | null;
  /** Kernels made from one template count once where the best of a pool is looked for. */
  readonly templateId: string | undefined;
  readonly forecast: Forecast;
  /** log2(runtime in µs); undefined for a kernel that failed. */
  readonly log2Us: number | undefined;
  /** No valid forecast came: the prior stands for it. */
  readonly isUnanswered?: true;
}

/** Forecasts of one task's kernels, none of which was an anchor of its own forecast. */
export interface JudgedTask {
  readonly taskId: string;
  readonly judged: readonly JudgedForecast[];
  /** log2(runtime in µs) of every working kernel of the task, anchors too: what children are compared with. */
  readonly log2Us: ReadonlyMap<string, number>;
  /** Kernels that compile evidence showed not to compile; they were not forecast. 0 where none was given. */
  readonly compileErrors?: number;
  /** The constant distribution that forecasts must beat. */
  readonly prior: RuntimeDistribution;
}

export type WorkingForecast = JudgedForecast & { readonly log2Us: number };

/** The forecasts of kernels that worked. */
export function workingForecasts({ judged }: JudgedTask): WorkingForecast[] {
  return judged.filter((one): one is WorkingForecast => one.log2Us !== undefined);
}
