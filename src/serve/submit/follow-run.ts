import {
  submissionNumber,
  type Decision,
  type DuplicateBy,
  type Forecast,
  type Measurement,
  type RunStore,
} from "../../domain/index.ts";
import type { SearchInput, SearchNote, StopReason } from "../../search/events.ts";

/** What a run's log says of one kernel so far; the latest of each. */
export interface KernelFate {
  readonly kernelId: string;
  readonly duplicate?: { readonly of: string; readonly by: DuplicateBy };
  readonly forecast?: Forecast;
  readonly decision?: Decision;
  readonly compileError?: string;
  readonly measurement?: Measurement;
}

/** Reads a run's log as it grows. */
export interface RunFollower {
  /** Reads what is new. */
  refresh(): void;
  /** Whether the run considered a kernel of this id. */
  has(kernelId: string): boolean;
  kernelIds(): readonly string[];
  /** What became of a submission; undefined while the run has not taken it. */
  fateOf(submission: number): KernelFate | undefined;
  ended(): StopReason | undefined;
  /** Runtime of the seed kernel in µs, once measured. */
  seedUs(): number | undefined;
  incumbentId(): string | undefined;
}

/** One candidate of an asking, in the order proposed. */
interface Place {
  readonly kernelId: string;
  duplicate?: NonNullable<KernelFate["duplicate"]>;
}

type Fate = { -readonly [Key in keyof KernelFate]: KernelFate[Key] };

interface Followed {
  readonly fates: Map<string, Fate>;
  readonly places: Map<number, Place>;
  /** Candidates of the asking that the notes after it are about. */
  latest: readonly Place[];
  ended: StopReason | undefined;
  incumbentId: string | undefined;
  seedUs: number | undefined;
}

/** Follows a run from its first event; nothing is replayed, so that a long log costs no more than reading it. */
export function followRun(store: RunStore, runId: string, seedId: string): RunFollower {
  const followed: Followed = {
    fates: new Map([[seedId, { kernelId: seedId }]]),
    places: new Map(),
    latest: [],
    ended: undefined,
    incumbentId: undefined,
    seedUs: undefined,
  };
  let next = 0;
  const refresh = (): void => {
    for (const { seq, payload } of store.events(runId, next)) {
      take(followed, payload as SearchInput | SearchNote);
      next = seq + 1;
    }
    const seed = followed.fates.get(seedId)?.measurement;
    if (seed?.status === "ok") followed.seedUs ??= seed.runtime.medianUs;
  };
  refresh();
  return {
    refresh,
    has: (kernelId) => followed.fates.has(kernelId),
    kernelIds: () => [...followed.fates.keys()],
    fateOf: (submission) => {
      const place = followed.places.get(submission);
      const fate = place && followed.fates.get(place.duplicate?.of ?? place.kernelId);
      return place && { ...fate, kernelId: place.kernelId, ...(place.duplicate ? { duplicate: place.duplicate } : {}) };
    },
    ended: () => followed.ended,
    seedUs: () => followed.seedUs,
    incumbentId: () => followed.incumbentId,
  };
}

function fateOf({ fates }: Followed, kernelId: string): Fate {
  const fate = fates.get(kernelId) ?? { kernelId };
  fates.set(kernelId, fate);
  return fate;
}

function take(followed: Followed, event: SearchInput | SearchNote): void {
  switch (event.type) {
    case "proposal-end":
      takeProposals(followed, event);
      break;
    case "forecast-end":
      for (const forecast of event.forecasts) fateOf(followed, forecast.kernelId).forecast = forecast;
      break;
    case "decision":
      fateOf(followed, event.decision.kernelId).decision = event.decision;
      break;
    case "compile-end":
      for (const outcome of event.outcomes)
        if (!outcome.ok) fateOf(followed, outcome.kernelId).compileError = outcome.error;
      break;
    case "measurement-end":
      fateOf(followed, event.measurement.kernelId).measurement = event.measurement;
      break;
    case "candidate-duplicate":
      takeDuplicate(followed, event);
      break;
    case "incumbent-change":
      followed.incumbentId = event.kernelId;
      break;
    case "run-end":
      followed.ended = event.reason;
      break;
  }
}

function takeProposals(followed: Followed, { candidates }: Extract<SearchInput, { type: "proposal-end" }>): void {
  followed.latest = candidates.map(({ kernelId, origin }) => {
    fateOf(followed, kernelId);
    const place: Place = { kernelId };
    const submission = submissionNumber(origin);
    if (submission !== undefined) followed.places.set(submission, place);
    return place;
  });
}

/** Of the same kernel twice in one asking only the first can have been taken in, so the last one unmarked is the duplicate. */
function takeDuplicate(
  followed: Followed,
  { kernelId, of, by }: Extract<SearchNote, { type: "candidate-duplicate" }>,
): void {
  if (by === "machine-code") fateOf(followed, kernelId).duplicate = { of, by };
  else {
    const place = followed.latest.findLast((one) => one.kernelId === kernelId && !one.duplicate);
    if (place) place.duplicate = { of, by };
  }
}
