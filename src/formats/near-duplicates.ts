import { withoutComments } from "./kernel-structure.ts";

/** Words per shingle: long enough that kernels of different tasks share few by chance. */
const shingleLength = 6;
const bins = 64;
const rowsPerBand = 4;

export interface DuplicateCandidate {
  readonly id: string;
  readonly source: string;
  /** Only pairs of different groups are sought. */
  readonly group: string;
}

export interface NearDuplicate {
  readonly first: string;
  readonly second: string;
  /** Jaccard similarity of the sources' shingles, 0–1. */
  readonly similarity: number;
}

/**
 * Pairs of sources in different groups that are alike: the share of common runs of six tokens (comments and white space left
 * out) is at least `threshold`. Candidates come from one-permutation MinHash with banding, and are then compared
 * exactly; pairs just above the threshold may be missed, copies are not. Of a source's likes before it a few are named, so that
 * thousands of copies of each other are not millions of pairs.
 */
export function nearDuplicates(candidates: readonly DuplicateCandidate[], threshold = 0.8): NearDuplicate[] {
  if (new Set(candidates.map(({ group }) => group)).size < 2) return [];
  const shingled = candidates.map(({ source }) => shingles(source));
  const buckets = new Map<string, number[]>();
  return shingled.flatMap((set, index): NearDuplicate[] => {
    const keys = bandKeys(set);
    const twins = firstTwins(candidates, shingled, { index, threshold, others: othersIn(buckets, keys) });
    for (const key of keys) {
      const bucket = buckets.get(key);
      if (bucket) bucket.push(index);
      else buckets.set(key, [index]);
    }
    return twins;
  });
}

/** Members of the buckets, each once. */
function* othersIn(buckets: ReadonlyMap<string, readonly number[]>, keys: readonly string[]): Generator<number> {
  const seen = new Set<number>();
  for (const key of keys) {
    for (const other of buckets.get(key) ?? []) {
      if (seen.has(other)) continue;
      seen.add(other);
      yield other;
    }
  }
}

interface TwinSearch {
  readonly index: number;
  readonly threshold: number;
  readonly others: Iterable<number>;
}

/** Twins named of one source: a few show where copies come from. */
const twinsNamed = 8;

function firstTwins(
  candidates: readonly DuplicateCandidate[],
  shingled: readonly ReadonlySet<number>[],
  { index, threshold, others }: TwinSearch,
): NearDuplicate[] {
  const own = candidates[index] as DuplicateCandidate;
  const ownShingles = shingled[index] as ReadonlySet<number>;
  const twins: NearDuplicate[] = [];
  for (const at of others) {
    const other = candidates[at] as DuplicateCandidate;
    if (other.group === own.group) continue;
    const similarity = jaccard(shingled[at] as ReadonlySet<number>, ownShingles);
    if (similarity >= threshold) twins.push({ first: other.id, second: own.id, similarity });
    if (twins.length === twinsNamed) break;
  }
  return twins;
}

function shingles(source: string): Set<number> {
  const tokens = withoutComments(source).match(/[A-Za-z_]\w*|\d[\w.]*|[^\s\w]/g) ?? [];
  const hashes = tokens.map(hashText);
  const set = new Set<number>();
  for (let at = 0; at + shingleLength <= hashes.length; at++) {
    let hash = 0x811c9dc5;
    for (let offset = 0; offset < shingleLength; offset++) {
      hash = Math.imul(hash ^ (hashes[at + offset] as number), 0x01000193);
      hash ^= hash >>> 15;
    }
    set.add(hash >>> 0);
  }
  return set;
}

/** FNV-1a. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** The least hash of each bin, banded; equal keys mean likely similar sets. */
function bandKeys(set: ReadonlySet<number>): string[] {
  const least = new Float64Array(bins).fill(Infinity);
  for (const hash of set) {
    const spread = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
    const bin = spread % bins;
    least[bin] = Math.min(least[bin] as number, hash);
  }
  const keys: string[] = [];
  for (let band = 0; band < bins / rowsPerBand; band++) {
    const rows = least.subarray(band * rowsPerBand, (band + 1) * rowsPerBand);
    if (rows.some((value) => value !== Infinity)) keys.push(`${band}:${rows.join(",")}`);
  }
  return keys;
}

function jaccard(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  let common = 0;
  for (const hash of a) if (b.has(hash)) common++;
  const union = a.size + b.size - common;
  return union === 0 ? 0 : common / union;
}
