import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Decision, Forecast, MeasurementStatus, StoredEvent } from "../../src/domain/index.ts";
import { loadTask } from "../../src/formats/load-task.ts";
import { readKernelFolder } from "../../src/formats/read-kernel-files.ts";
import type { SearchInput, SearchNote } from "../../src/search/events.ts";
import type { CandidateState, SearchState } from "../../src/search/state.ts";
import { readLiveRun, type LiveRun } from "../live-run.ts";

/** What a device said of a candidate in one of the two runs. */
export interface Truth {
  readonly status: MeasurementStatus;
  readonly us?: number;
}

/** One candidate that a coding agent handed in: what was forecast and decided, and what is true. */
export interface ExternalCandidate {
  readonly kernelId: string;
  readonly file: string | undefined;
  readonly idea: string | undefined;
  readonly forecast: Forecast | undefined;
  /** When it was first decided, and the incumbent's runtime then. */
  readonly decision: Decision | undefined;
  readonly incumbentUs: number | undefined;
  /** In the search. */
  readonly measured: Truth | undefined;
  /** In the run that measured every candidate. */
  readonly hindsight: Truth | undefined;
}

/** A search that was fed from outside, and the run that measured all of its candidates afterwards. */
export interface ExternalRun {
  readonly folder: string;
  readonly search: LiveRun;
  readonly hindsight: LiveRun;
  /** Those that were no duplicates by text, in the order handed in. */
  readonly candidates: readonly ExternalCandidate[];
  /** Files whose kernel the search never saw: refused, or handed in after its end. */
  readonly notConsidered: readonly string[];
}

/**
 * Reads an exported search and the run in its `hindsight/`, replays both and matches their receipts. Sources in
 * `candidates/` give the candidates their names. Throws where something does not hold.
 */
export async function readExternalRun(folder: string): Promise<ExternalRun> {
  const search = readLiveRun(folder);
  const hindsight = readLiveRun(join(folder, "hindsight"));
  const files = await filesOf(folder, search);
  const considered = new Set(search.events.flatMap(consideredIn));
  const notConsidered = [...files].flatMap(([kernelId, file]) => (considered.has(kernelId) ? [] : [file]));
  const first = firstDecisions(search);
  const candidates = [...search.state.candidates.values()]
    .filter(({ record }) => record.kernelId !== search.state.seedId)
    .map((candidate): ExternalCandidate => {
      const { kernelId, idea } = candidate.record;
      const { decision, incumbentUs } = first.get(kernelId) ?? {};
      return {
        kernelId,
        file: files.get(kernelId),
        idea,
        forecast: decision?.forecast ?? candidate.forecast,
        decision,
        incumbentUs,
        measured: truthOf(search.state, candidate),
        hindsight: truthOf(hindsight.state, hindsight.state.candidates.get(kernelId)),
      };
    });
  return { folder, search, hindsight, candidates, notConsidered };
}

/** Names of the committed sources by kernel id. */
async function filesOf(folder: string, { summary }: LiveRun): Promise<ReadonlyMap<string, string>> {
  const sources = join(folder, "candidates");
  if (!existsSync(sources)) return new Map();
  const drafts = await readKernelFolder(sources, { task: await loadTask(join("tasks", summary.task)) });
  return new Map(drafts.map(({ name, kernel }) => [kernel.kernelId, name]));
}

/** The first decision on each candidate, with the incumbent's runtime at that moment. */
function firstDecisions({ events }: LiveRun): Map<string, { decision: Decision; incumbentUs: number | undefined }> {
  const first = new Map<string, { decision: Decision; incumbentUs: number | undefined }>();
  let incumbentUs: number | undefined;
  for (const { type, payload } of events) {
    if (type === "incumbent-change")
      ({ runtimeUs: incumbentUs } = payload as Extract<SearchNote, { type: typeof type }>);
    if (type !== "decision") continue;
    const { decision } = payload as Extract<SearchNote, { type: typeof type }>;
    if (!first.has(decision.kernelId)) first.set(decision.kernelId, { decision, incumbentUs });
  }
  return first;
}

function consideredIn({ type, payload }: StoredEvent): string[] {
  if (type !== "proposal-end") return [];
  return (payload as Extract<SearchInput, { type: typeof type }>).candidates.map(({ kernelId }) => kernelId);
}

/** A machine-code duplicate is as fast as the kernel that it is. */
function truthOf(state: SearchState, candidate: CandidateState | undefined): Truth | undefined {
  const own = candidate?.duplicateOf === undefined ? candidate : state.candidates.get(candidate.duplicateOf);
  if (own?.failure) return { status: own.failure.status };
  return own?.measurement && { status: "ok", us: own.measurement.runtime.medianUs };
}
