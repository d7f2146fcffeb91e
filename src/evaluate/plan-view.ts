import { keyedShuffle } from "../domain/index.ts";
import type { Known } from "./known-kernels.ts";

/**
 * What a forecaster knows when it is asked. `start`: the seed kernel's time. `search`: also the time of the kernel's own
 * parent, where that works (in a search every parent has been measured), and those of eight other kernels.
 */
export const views = ["start", "search"] as const;

export type View = (typeof views)[number];

/** Measured kernels, the nearest to the candidates first, and the kernels to ask for. */
export interface ViewRequest {
  readonly anchors: readonly Known[];
  readonly asked: readonly Known[];
}

/** Anchors of the view `search` besides seed and parent. */
const otherAnchors = 8;

/**
 * Splits a task into requests: one at the start, within a search one per parent, so that no kernel's time is shown where it is
 * asked for. The eight others are drawn by key and not asked for at all.
 */
export function planView(
  known: readonly Known[],
  seedKernel: Known,
  { view, seed, taskId }: { readonly view: View; readonly seed: number; readonly taskId: string },
): ViewRequest[] {
  const rest = known.filter((one) => one !== seedKernel);
  if (view === "start") return [{ anchors: [seedKernel], asked: rest }];
  const working = rest.filter(({ us }) => us !== undefined);
  const others = keyedShuffle(working, seed, "judge-anchors", taskId).slice(0, otherAnchors);
  const shown = [seedKernel, ...others];
  const byId = new Map(known.map((one) => [one.recorded.kernel.kernelId, one]));
  const groups = new Map<Known, Known[]>();
  for (const one of rest.filter((kernel) => !others.includes(kernel))) {
    const parent = one.recorded.parentId === null ? undefined : byId.get(one.recorded.parentId);
    const nearest = parent?.us === undefined ? seedKernel : parent;
    const group = groups.get(nearest);
    if (group) group.push(one);
    else groups.set(nearest, [one]);
  }
  return [...groups].map(([nearest, asked]) => ({
    anchors: [nearest, ...shown.filter((one) => one !== nearest)],
    asked,
  }));
}
