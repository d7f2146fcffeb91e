import type { Forecast } from "./forecast.ts";

export type DecisionAction = "measure" | "skip" | "escalate" | "audit";

/** What to do with a candidate, why in one line, and the numbers behind it. */
export interface Decision {
  readonly kernelId: string;
  readonly action: DecisionAction;
  readonly reason: string;
  readonly numbers: Readonly<Record<string, number>>;
  readonly forecast?: Forecast;
}
