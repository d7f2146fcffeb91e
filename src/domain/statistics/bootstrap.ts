import { quantileSorted } from "./summary.ts";

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** Uniforms in [0, 1), for example `keyedStream(seed, "bootstrap", metric)`. */
  readonly uniform: () => number;
  readonly replicates?: number;
  /** Coverage aimed at, for example 0.95. */
  readonly level?: number;
}

/**
 * Percentile bootstrap over whole groups (tasks): draws as many groups as there are, with replacement, and takes the
 * statistic of each draw. A draw whose statistic is undefined is dropped; undefined where none is left.
 */
export function bootstrapGroups<T>(
  groups: readonly T[],
  statistic: (drawn: readonly T[]) => number | undefined,
  { uniform, replicates = 2000, level = 0.95 }: BootstrapOptions,
): Interval | undefined {
  if (groups.length === 0) return undefined;
  const values: number[] = [];
  for (let replicate = 0; replicate < replicates; replicate++) {
    const value = statistic(Array.from(groups, () => groups[Math.floor(uniform() * groups.length)] as T));
    if (value !== undefined) values.push(value);
  }
  values.sort((a, b) => a - b);
  const low = quantileSorted(values, (1 - level) / 2);
  const high = quantileSorted(values, (1 + level) / 2);
  return low === undefined || high === undefined ? undefined : { low, high };
}
