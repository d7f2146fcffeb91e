import type { Candidate } from "./kernel.ts";

/** A candidate that another program handed to a run. */
export interface Submission {
  /** Counts from 1 within the run. */
  readonly number: number;
  readonly candidate: Candidate;
}

/** What a run was handed so far. */
export interface Submissions {
  readonly submissions: readonly Submission[];
  /** True once the submitter said that no more will come. */
  readonly complete: boolean;
}

const originPrefix = "external:";

/** Where a submitted candidate comes from, as the run's log names it: what was taken of the submissions follows from it. */
export function submissionOrigin(number: number): string {
  return `${originPrefix}${number}`;
}

/** The number of the submission that an origin names; undefined for other origins. */
export function submissionNumber(origin: string): number | undefined {
  const number = origin.startsWith(originPrefix) ? Number(origin.slice(originPrefix.length)) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}
