import {
  canonicalJson,
  sha256Hex,
  type Anchor,
  type Candidate,
  type DuplicateProposal,
  type Kernel,
  type PastProposal,
  type ProposalOutcome,
  type RunStore,
} from "../domain/index.ts";
import { normaliseSource } from "../check/normalise.ts";
import { sketchKernel } from "../check/sketch.ts";
import type { CandidateRecord, DuplicateRecord } from "./events.ts";
import type { CandidateState, SearchState } from "./state.ts";

/** Stores the candidates' sources by content and returns what events carry of them: with sketches where a policy reads them. */
export function recordCandidates(
  store: RunStore,
  candidates: readonly Candidate[],
  sketched = false,
): readonly CandidateRecord[] {
  const sha256s = store.putBlobs(candidates.map(({ kernel }) => kernel.source));
  return candidates.map((candidate, index) => toRecord(candidate, sha256s[index] ?? "", sketched));
}

function toRecord(
  { kernel, parentId, idea, origin }: Candidate,
  sourceSha256: string,
  sketched: boolean,
): CandidateRecord {
  const { kernelId, source, launches, compileOptions } = kernel;
  const normalised = normaliseSource(source);
  return {
    kernelId,
    parentId,
    sourceSha256,
    normalisedSha256: sha256Hex(canonicalJson([normalised, launches, compileOptions])),
    launches,
    compileOptions,
    ...(idea === undefined ? {} : { idea }),
    origin,
    ...(sketched ? { sketch: sketchKernel(normalised, launches, compileOptions) } : {}),
  };
}

/** A candidate's kernel with its source from the store. */
export function loadKernel(store: RunStore, state: SearchState, kernelId: string): Kernel {
  const record = state.candidates.get(kernelId)?.record;
  if (!record) throw new Error(`kernel ${kernelId} is not in the run's store`);
  return recordedKernel(store, record);
}

function recordedKernel(store: RunStore, record: CandidateRecord): Kernel {
  const { kernelId, launches, compileOptions } = record;
  const source = store.blob(record.sourceSha256);
  if (source === undefined) throw new Error(`kernel ${kernelId} is not in the run's store`);
  return { kernelId, source, launches, compileOptions };
}

/** Candidates of which something is known, with what became of them. */
export function loadHistory(store: RunStore, state: SearchState, kernelIds: readonly string[]): PastProposal[] {
  return kernelIds.flatMap((kernelId) => {
    const candidate = state.candidates.get(kernelId);
    const outcome = candidate && outcomeOf(candidate);
    if (!outcome) return [];
    const { parentId, idea } = candidate.record;
    const kernel = recordedKernel(store, candidate.record);
    return [{ kernel, parentId, ...(idea === undefined ? {} : { idea }), outcome }];
  });
}

function outcomeOf({ failure, duplicateOf, measurement }: CandidateState): ProposalOutcome | undefined {
  if (failure) return { kind: "failed", ...failure };
  if (duplicateOf !== undefined) return { kind: "duplicate", of: duplicateOf };
  return measurement && { kind: "ok", runtimeUs: measurement.runtime.medianUs };
}

/** Proposals to send back, with the kernels that they are over again. */
export function loadDuplicates(
  store: RunStore,
  state: SearchState,
  duplicates: readonly DuplicateRecord[],
): DuplicateProposal[] {
  return duplicates.map(({ record, of, by }) => ({
    kernel: recordedKernel(store, record),
    of: loadKernel(store, state, of),
    by,
  }));
}

/** A measured candidate as an anchor. */
export function loadAnchor(store: RunStore, state: SearchState, kernelId: string): Anchor {
  const measurement = state.candidates.get(kernelId)?.measurement;
  if (!measurement) throw new Error(`kernel ${kernelId} has no ok measurement`);
  return { kernel: loadKernel(store, state, kernelId), measurement };
}
