import { keyedStream, type Proposer, type Task } from "../domain/index.ts";
import {
  pointOf,
  toCandidate,
  tunableChoices,
  type Choice,
  type TunablePoint,
  type TunablesProposerOptions,
} from "./tunable-space.ts";

/**
 * Proposes points of a task's parameter space. The k-th proposal of a parent is the k-th of all valid points in a keyed
 * random order that favours near ones: a point that differs in d parameters weighs 4^-d (weighted sampling without
 * replacement by exponential keys, Efraimidis and Spirakis 2006). Throws `KernelcastError("task", …)` for a task without
 * tunables, or whose space is too large or empty.
 */
export function tunablesProposer(task: Task, options: TunablesProposerOptions = {}): Proposer {
  const known = tunableChoices(task, options);
  const orders = new Map<string, readonly Choice[]>();
  return {
    name: "tunables",
    propose({ parent: { kernel }, firstIndex, count, seed }) {
      const key = `${seed} ${kernel.kernelId}`;
      const order = orders.get(key) ?? orderChoices(known.choices, pointOf(kernel, known.space), seed, kernel.kernelId);
      orders.set(key, order);
      const chosen = order.slice(firstIndex, firstIndex + count);
      return Promise.resolve({
        candidates: chosen.map((choice) => toCandidate(known, choice, kernel.kernelId)),
        exhausted: firstIndex + count >= order.length,
        cost: { cpuSeconds: 0, tokens: 0, usd: 0 },
      });
    },
  };
}

/** One stream for all points, in their own order: a key for each would cost a digest, seconds for a large space. */
function orderChoices(
  choices: readonly Choice[],
  from: TunablePoint,
  seed: number,
  parentId: string,
): readonly Choice[] {
  const uniform = keyedStream(seed, "tunables", parentId);
  const names = Object.keys(from);
  const keys = new Float64Array(choices.length);
  const places: number[] = [];
  for (const [place, { point }] of choices.entries()) {
    const distance = distanceBetween(names, point, from);
    keys[place] = Math.log(1 - uniform()) * 4 ** distance;
    if (distance > 0) places.push(place);
  }
  places.sort((a, b) => (keys[b] as number) - (keys[a] as number) || a - b);
  return places.map((place) => choices[place] as Choice);
}

function distanceBetween(names: readonly string[], a: TunablePoint, b: TunablePoint): number {
  let distance = 0;
  for (const name of names) if (a[name] !== b[name]) distance++;
  return distance;
}
