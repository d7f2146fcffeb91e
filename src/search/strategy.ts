import type { SearchConfig } from "./events.ts";
import { createPuct, type ParentChoice } from "./puct.ts";
import { createTournament } from "./tournament.ts";

/** What chooses parents in a run of this configuration. */
export function createStrategy({ strategy, seed }: Pick<SearchConfig, "strategy" | "seed">): ParentChoice {
  return "tournament" in strategy ? createTournament({ ...strategy, seed }) : createPuct(strategy);
}
