import type { Launch } from "../domain/index.ts";

/** Registers of a sketch: the standard error of a likeness of ½ is 0.06. */
const registers = 64;
/** Tokens in a run: long enough that two runs of common punctuation are not taken for kinship. */
const runLength = 4;

/**
 * A short fingerprint of a kernel: of the runs of four tokens of its normalised source, of its launches and options, which
 * hash least in each of 64 classes (one-permutation min-hashing), one byte each, in hex. The share of equal bytes of two
 * sketches estimates the share of runs that the two kernels have in common, of those that either has.
 */
export function sketchKernel(
  normalisedSource: string,
  launches: readonly Launch[],
  compileOptions: readonly string[],
): string {
  const least = new Uint32Array(registers).fill(0xffffffff);
  const add = (text: string): void => {
    const hash = hashText(text);
    const register = hash >>> 26;
    const rank = mixWord(hash ^ 0x5bd1e995);
    if (rank < (least[register] as number)) least[register] = rank;
  };
  const tokens = normalisedSource.split(/\s+/);
  for (let start = 0; start + runLength <= tokens.length; start++)
    add(tokens.slice(start, start + runLength).join(" "));
  launches.forEach(({ kernel, grid, block, smemBytes }, index) => {
    add(JSON.stringify([index, kernel, "grid", grid]));
    add(JSON.stringify([index, kernel, "block", block]));
    add(JSON.stringify([index, kernel, "shared", smemBytes]));
  });
  for (const option of compileOptions) add(`option ${option}`);
  // Low bits: the high ones of a least rank are mostly 0.
  return Array.from(least, (rank) => (rank & 0xff).toString(16).padStart(2, "0")).join("");
}

/** Share of equal bytes of two sketches, 0–1: a positive semidefinite kernel, being a mean of "is the same". */
export function sketchLikeness(one: string, other: string): number {
  if (one.length !== other.length || one.length === 0) return 0;
  let same = 0;
  for (let at = 0; at < one.length; at += 2) if (one[at] === other[at] && one[at + 1] === other[at + 1]) same++;
  return (2 * same) / one.length;
}

/** FNV-1a over UTF-16 units, then mixed so that its high bits are as good as its low ones. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mixWord(hash);
}

/** The finaliser of MurmurHash3 (Appleby, public domain). */
function mixWord(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
