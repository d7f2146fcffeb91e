import type { SearchConfig } from "./events.ts";

/** How every search goes about it, unless a bench compares it with another way. */
export const searchDefaults: Pick<SearchConfig, "winLog2" | "strategy"> = {
  /** A kernel must be this much faster than the incumbent to be a win. */
  winLog2: Math.log2(1.02),
  strategy: { explore: 1, archive: 1000 },
};

/** Parents whose proposals are under way at once in virtual time, where nothing is gained by overlapping them. */
export const virtualOpenBatches = 1;
