import { keyedUniform } from "../domain/index.ts";
import type { ParentChoice } from "./puct.ts";

export interface TournamentOptions {
  /** Kernels that are drawn for each tournament, with replacement; the fastest of them is the parent. */
  readonly tournament: number;
  /** Most kernels that live at once; the slowest leave first. */
  readonly population: number;
  readonly seed: number;
}

interface Member {
  readonly kernelId: string;
  readonly reward: number;
}

/**
 * Evolution by tournament selection (Goldberg and Deb 1991): the parent of the next proposals is the fastest of a few kernels drawn
 * from the fastest found so far. The draws of the n-th selection are keyed by (seed, n) alone. Parents that are busy or have nothing
 * more to propose take no part.
 */
export function createTournament({ tournament, population, seed }: TournamentOptions): ParentChoice {
  const members: Member[] = [];
  const exhausted = new Set<string>();
  let selections = 0;
  return {
    add({ kernelId, reward }) {
      members.push({ kernelId, reward });
      members.sort((a, b) => b.reward - a.reward || (a.kernelId < b.kernelId ? -1 : 1));
      members.splice(population);
    },
    select(busy) {
      const able = members.filter(({ kernelId }) => !exhausted.has(kernelId) && !busy.has(kernelId));
      if (able.length === 0) return undefined;
      const round = selections++;
      const places = Array.from({ length: tournament }, (_, draw) =>
        Math.floor(keyedUniform(seed, "tournament", round, draw) * able.length),
      );
      // Members are in the order of their rewards.
      const { kernelId, reward } = able[Math.min(...places)] as Member;
      return { kernelId, score: reward };
    },
    exhaust(kernelId) {
      exhausted.add(kernelId);
    },
    remove(kernelId) {
      const place = members.findIndex((member) => member.kernelId === kernelId);
      if (place >= 0) members.splice(place, 1);
    },
    get size() {
      return members.length;
    },
  };
}
