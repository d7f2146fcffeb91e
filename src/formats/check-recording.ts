import type { Recording } from "../domain/index.ts";
import { checkLeaks, checkNearDuplicates, checkSplits } from "./check-honesty.ts";
import { checkForecasts } from "./check-forecasts.ts";
import { checkCounts, type RecordingRequirements } from "./check-requirements.ts";
import { checkIds, checkMeasurements, checkPasses, checkTree } from "./check-structure.ts";

/** One fault of a recording. `error` makes it unfit for use; `warning` is for its makers to look at. */
export interface Finding {
  readonly severity: "error" | "warning";
  /** Which rule, for instance `kernel-id`. */
  readonly rule: string;
  readonly taskId?: string;
  /** One line. */
  readonly message: string;
}

export interface CheckOptions {
  /** Counts to hold, such as `atlasRequirements`; none by default. */
  readonly requirements?: RecordingRequirements;
}

/**
 * Verifies what loading a recording does not: kernel ids, the derivation tree, runtimes against their samples, splits by
 * family, near-duplicates across splits, words in sources that tell the performance, and counts where asked.
 */
export function checkRecording(recording: Recording, options: CheckOptions = {}): Finding[] {
  return [
    ...checkIds(recording),
    ...checkTree(recording),
    ...checkMeasurements(recording),
    ...checkPasses(recording),
    ...checkForecasts(recording),
    ...checkSplits(recording),
    ...checkNearDuplicates(recording),
    ...checkLeaks(recording),
    ...(options.requirements ? checkCounts(recording, options.requirements) : []),
  ];
}
