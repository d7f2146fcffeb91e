import { isCode, lexCuda, type Kernel } from "../../domain/index.ts";

/** How often each short run of tokens occurs in a kernel. */
export interface KernelShingles {
  readonly counts: ReadonlyMap<string, number>;
  readonly total: number;
}

/** Tokens in a run: long enough that two runs of common punctuation are not taken for kinship. */
const shingleLength = 4;

/** Counts the runs of four tokens of a kernel's code, comments left out, and of its launches. */
export function kernelShingles({ source, launches, compileOptions }: Kernel): KernelShingles {
  const tokens = lexCuda(source)
    .filter(isCode)
    .map(({ text }) => text);
  const counts = new Map<string, number>();
  const count = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  for (let start = 0; start + shingleLength <= tokens.length; start++) {
    count(tokens.slice(start, start + shingleLength).join(" "));
  }
  launches.forEach(({ kernel, grid, block, smemBytes }, index) => {
    count(JSON.stringify([index, kernel, "grid", grid]));
    count(JSON.stringify([index, kernel, "block", block]));
    count(JSON.stringify([index, kernel, "shared", smemBytes]));
  });
  for (const option of compileOptions) count(`option ${option}`);
  return { counts, total: [...counts.values()].reduce((sum, value) => sum + value, 0) };
}

/** Share of token runs that two kernels have in common, of those that either has (weighted Jaccard): 0–1. */
export function likeness(one: KernelShingles, other: KernelShingles): number {
  let common = 0;
  for (const [key, count] of one.counts) common += Math.min(count, other.counts.get(key) ?? 0);
  const either = one.total + other.total - common;
  return either === 0 ? 1 : common / either;
}
