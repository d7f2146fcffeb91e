import { canonicalJson, sha256Hex, type Anchor, type Candidate, type Kernel, type RunStore } from "../domain/index.ts";
import { normaliseSource } from "../check/normalise.ts";
import type { CandidateRecord } from "./events.ts";
import type { SearchState } from "./state.ts";

/** Stores the candidates' sources by content and returns what events carry of them. */
export function recordCandidates(store: RunStore, candidates: readonly Candidate[]): readonly CandidateRecord[] {
  const sha256s = store.putBlobs(candidates.map(({ kernel }) => kernel.source));
  return candidates.map((candidate, index) => toRecord(candidate, sha256s[index] ?? ""));
}

function toRecord({ kernel, parentId, idea, origin }: Candidate, sourceSha256: string): CandidateRecord {
  const { kernelId, source, launches, compileOptions } = kernel;
  return {
    kernelId,
    parentId,
    sourceSha256,
    normalisedSha256: sha256Hex(canonicalJson([normaliseSource(source), launches, compileOptions])),
    launches,
    compileOptions,
    ...(idea === undefined ? {} : { idea }),
    origin,
  };
}

/** A candidate's kernel with its source from the store. */
export function loadKernel(store: RunStore, state: SearchState, kernelId: string): Kernel {
  const record = state.candidates.get(kernelId)?.record;
  const source = record && store.blob(record.sourceSha256);
  if (!record || source === undefined) throw new Error(`kernel ${kernelId} is not in the run's store`);
  return { kernelId, source, launches: record.launches, compileOptions: record.compileOptions };
}

/** A measured candidate as an anchor. */
export function loadAnchor(store: RunStore, state: SearchState, kernelId: string): Anchor {
  const measurement = state.candidates.get(kernelId)?.measurement;
  if (!measurement) throw new Error(`kernel ${kernelId} has no ok measurement`);
  return { kernel: loadKernel(store, state, kernelId), measurement };
}
