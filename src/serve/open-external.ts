import { KernelcastError, submissionNumber, type Proposer, type RunStore, type Task } from "../domain/index.ts";
import { externalProposer } from "../propose/external-proposer.ts";
import type { SearchInput } from "../search/events.ts";
import { parseSpecification } from "./specification.ts";

export interface OpenExternalOptions {
  readonly store: RunStore;
  readonly runId: string;
  readonly task: Task;
  /** Folder of the store, for the line that says how to submit. */
  readonly workspace: string;
  readonly idleSeconds?: number | undefined;
  readonly onNote?: ((line: string) => void) | undefined;
}

/** Whether `--proposer` names other programs: `external`, or `external:COUNT` to hand on that many candidates at once. */
export function isExternal(proposer: string | undefined): boolean {
  return proposer === "external" || proposer?.startsWith("external:") === true;
}

/** Least candidates of a batch that `external:COUNT` asks for. Throws `KernelcastError("usage", …)` for what is no count. */
export function batchOf(proposer: string): number {
  const { detail } = parseSpecification("proposer", proposer, ["external"]);
  const count = detail === "" ? 1 : Number(detail);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw new KernelcastError(
    "usage",
    `--proposer ${proposer}: after the colon stands how many candidates to wait for at a time, as external:8`,
  );
}

/** Opens the proposer of a run that other programs feed; what an earlier process took of it follows from the run's log. */
export function openExternal(proposer: string, options: OpenExternalOptions): Proposer {
  const { store, runId, task, workspace, idleSeconds, onNote } = options;
  const where = workspace === ".kernelcast" ? "" : ` --workspace ${workspace}`;
  return externalProposer({
    inbox: (after) => store.submissions(runId, after),
    taken: takenOf(store, runId),
    seedId: task.seedKernel.kernelId,
    atLeast: batchOf(proposer),
    ...(idleSeconds === undefined ? {} : { idleSeconds }),
    onWait: () =>
      onNote?.(`run ${runId} waits for candidates: kernelcast submit ${runId} kernel.cu${where} (--done ends it)`),
  });
}

function takenOf(store: RunStore, runId: string): ReadonlySet<number> {
  const taken = new Set<number>();
  for (const { type, payload } of store.events(runId)) {
    if (type !== "proposal-end") continue;
    for (const { origin } of (payload as Extract<SearchInput, { type: "proposal-end" }>).candidates) {
      const number = submissionNumber(origin);
      if (number !== undefined) taken.add(number);
    }
  }
  return taken;
}
