import { KernelcastError, type Policy, type RunStore } from "../domain/index.ts";
import { eventVersion, type SearchInput, type SearchNote } from "./events.ts";
import { applyInput } from "./reduce.ts";
import { startSearch } from "./start-search.ts";
import type { SearchState } from "./state.ts";
import type { Step } from "./step.ts";

const inputTypes: ReadonlySet<string> = new Set<SearchInput["type"]>([
  "run-start",
  "run-continue",
  "trust-start",
  "model-call",
  "proposal-end",
  "forecast-end",
  "compile-end",
  "measurement-end",
]);

/** A run's state rebuilt from its log, and the number of the next event. */
export interface ReplayedRun {
  readonly state: SearchState;
  readonly nextSeq: number;
}

/** Called for every input with what it led to: progress, reports. */
export type StepListener = (state: SearchState, input: SearchInput, step: Step) => void;

/**
 * Rebuilds a run from its log. Every logged conclusion must come out again: a difference means that the log was written
 * by another version or was edited, and the run is not continued. Throws `KernelcastError("store", …)`.
 */
export function replayRun(
  store: RunStore,
  runId: string,
  policy: Policy,
  listener?: StepListener,
): ReplayedRun | undefined {
  let state: SearchState | undefined;
  let expected: readonly SearchNote[] = [];
  let notesSeen = 0;
  let nextSeq = 0;
  for (const event of store.events(runId)) {
    if (event.version !== eventVersion) throw unreadable(runId, `event ${event.seq} has version ${event.version}`);
    nextSeq = event.seq + 1;
    if (inputTypes.has(event.type)) {
      const input = event.payload as SearchInput;
      const applied = applyLogged(runId, state, input, event.at, policy);
      state = applied.state;
      expected = applied.step.notes;
      notesSeen = 0;
      listener?.(state, input, applied.step);
    } else if (!agrees(event.payload, expected[notesSeen++])) {
      throw unreadable(runId, `event ${event.seq} does not follow from those before it`);
    }
  }
  return state && { state, nextSeq };
}

function applyLogged(
  runId: string,
  state: SearchState | undefined,
  input: SearchInput,
  at: number,
  policy: Policy,
): { readonly state: SearchState; readonly step: Step } {
  if (input.type === "run-start") return startSearch(input, at, policy);
  if (!state) throw unreadable(runId, "its first event is missing");
  return { state, step: applyInput(state, input, at) };
}

/** Relative difference up to which numbers are the same: engines differ in the last bits of powers and logarithms. */
const numberTolerance = 1e-9;

/** Whether a logged value is the recomputed one, member by member; members that are undefined count as absent. */
function agrees(logged: unknown, computed: unknown): boolean {
  if (typeof logged === "number" && typeof computed === "number") {
    return Math.abs(logged - computed) <= numberTolerance * Math.max(1, Math.abs(logged), Math.abs(computed));
  }
  if (!isObject(logged) || !isObject(computed)) return logged === computed;
  const names = new Set([...Object.keys(logged), ...Object.keys(computed)]);
  return [...names].every((name) => agrees(logged[name], computed[name]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function unreadable(runId: string, why: string): KernelcastError {
  return new KernelcastError(
    "store",
    `run ${runId} cannot be continued: ${why} (another version of kernelcast wrote it?); start a new one with --fresh`,
  );
}
