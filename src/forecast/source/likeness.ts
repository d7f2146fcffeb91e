import type { Kernel } from "../../domain/index.ts";
import { kernelWords, type ReadTask } from "./words.ts";

const runLength = 3;

/** Hashes (32 bits, FNV-1a) of the distinct runs of three words of a kernel; names count as they are written. */
export function wordRuns(kernel: Kernel, task: ReadTask): ReadonlySet<number> {
  const words = kernelWords(kernel, task).map(({ text }) => text);
  const runs = new Set<number>();
  for (let start = 0; start + runLength <= words.length; start++) {
    runs.add(hashText(words.slice(start, start + runLength).join(" ")));
  }
  return runs;
}

/** 32 bits of a text (FNV-1a). */
export function hashText(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

/** How alike two kernels are: share of runs in common (Jaccard), and ln(1 + runs) that only the one, or the other, has. */
export function likeness(own: ReadonlySet<number>, other: ReadonlySet<number>): readonly [number, number, number] {
  let common = 0;
  for (const run of own) if (other.has(run)) common++;
  const union = own.size + other.size - common;
  return [union === 0 ? 1 : common / union, Math.log1p(own.size - common), Math.log1p(other.size - common)];
}
