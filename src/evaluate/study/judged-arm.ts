import { answeredKernels, keepKernels } from "../common-kernels.ts";
import type { JudgedTask } from "../judged-task.ts";

/** How an arm's forecasts are taken: as given; by the recipe that the product uses; or by isotonic regression. */
export const calibrations = ["raw", "calibrated", "isotonic"] as const;

export type Calibration = (typeof calibrations)[number];

/** Answers of the runs of one arm of a study, taken in one way. */
export interface JudgedArm {
  readonly label: string;
  readonly as: Calibration;
  readonly runs: readonly (readonly JudgedTask[])[];
}

/**
 * Everybody's answers for the kernels that some run of the study has answered. What none has answered, none was asked for: its
 * time is not confirmed, or its prompt too long.
 */
export function onAskedKernels(study: readonly JudgedArm[], others: readonly JudgedArm[]): JudgedArm[] {
  const asked = new Set(study.flatMap(({ runs }) => runs.flatMap((run) => [...answeredKernels(run)])));
  return [...study, ...others].map((arm) => keepOf(arm, asked));
}

/** Two arms' answers for the kernels that every run of both has answered. */
export function onCommonKernels(one: JudgedArm, other: JudgedArm): [JudgedArm, JudgedArm] {
  const [first = new Set<string>(), ...rest] = [...one.runs, ...other.runs].map(answeredKernels);
  const common = new Set([...first].filter((kernelId) => rest.every((answered) => answered.has(kernelId))));
  return [keepOf(one, common), keepOf(other, common)];
}

function keepOf(arm: JudgedArm, kernelIds: ReadonlySet<string>): JudgedArm {
  return { ...arm, runs: arm.runs.map((run) => keepKernels(run, kernelIds)) };
}
