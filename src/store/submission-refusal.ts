import { KernelcastError, type RunSummary } from "../domain/index.ts";

/** Throws `KernelcastError("store", …)` for a run that takes no candidates: absent, ended, or told that none will follow. */
export function requireOpenForSubmissions(
  runId: string,
  run: Pick<RunSummary, "finishedAt"> | undefined,
  complete: boolean,
): void {
  const fault = !run
    ? `no run named ${runId}`
    : run.finishedAt !== null
      ? `run ${runId} has ended; start another one and submit to that`
      : complete
        ? `run ${runId} was told that no more candidates follow (--done); start another one and submit to that`
        : undefined;
  if (fault !== undefined) throw new KernelcastError("store", fault);
}
