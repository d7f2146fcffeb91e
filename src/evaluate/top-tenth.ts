import { keyedUniform } from "../domain/index.ts";
import type { WorkingForecast } from "./judged-task.ts";

/** Above this chance of success at random a task tells nothing. */
const largestChance = 0.4;

type Pooled = Pick<WorkingForecast, "kernelId" | "templateId" | "forecast" | "log2Us">;

/** Whether the tenth forecast fastest holds a good kernel, and how probable that is for a tenth drawn at random. */
export interface TopTenth {
  /** 1 or 0; where forecasts tie, the probability over their orders. */
  readonly within: number;
  readonly chance: number;
}

/**
 * Whether the best of the tenth forecast fastest is within 5 % of the pool's best, on one kernel per template. Undefined where
 * chance is 0.4 or more.
 */
export function topTenth(working: readonly Pooled[], seed: number): TopTenth | undefined {
  const pool = onePerTemplate(working, seed);
  if (pool.length === 0) return undefined;
  const count = Math.max(1, Math.round(pool.length / 10));
  const limit = Math.min(...pool.map(({ log2Us }) => log2Us)) + Math.log2(1.05);
  const good = goodOf(pool, limit);
  const chance = 1 - chanceOfNone(pool.length, good, count);
  return chance >= largestChance ? undefined : { within: chanceWithin(pool, count, limit), chance };
}

function goodOf(pool: readonly Pooled[], limit: number): number {
  return pool.filter(({ log2Us }) => log2Us <= limit).length;
}

/** Those that tie with the last one chosen are drawn from at random. */
function chanceWithin(pool: readonly Pooled[], count: number, limit: number): number {
  const last = pool.map(({ forecast }) => forecast.m).sort((a, b) => a - b)[count - 1] as number;
  const chosen = pool.filter(({ forecast }) => forecast.m < last);
  if (goodOf(chosen, limit) > 0) return 1;
  const tied = pool.filter(({ forecast }) => forecast.m === last);
  return 1 - chanceOfNone(tied.length, goodOf(tied, limit), count - chosen.length);
}

/** Probability that `count` of `total` drawn without replacement hold none of `good`. */
function chanceOfNone(total: number, good: number, count: number): number {
  let none = 1;
  for (let drawn = 0; drawn < count; drawn++) none *= Math.max(0, total - good - drawn) / (total - drawn);
  return none;
}

function onePerTemplate<T extends Pick<Pooled, "kernelId" | "templateId">>(working: readonly T[], seed: number): T[] {
  const chosen = new Map<string, T>();
  const draw = ({ kernelId }: T): number => keyedUniform(seed, "template", kernelId);
  for (const one of working) {
    const key = one.templateId === undefined ? `kernel ${one.kernelId}` : `template ${one.templateId}`;
    const before = chosen.get(key);
    if (!before || draw(one) < draw(before)) chosen.set(key, one);
  }
  return [...chosen.values()];
}
