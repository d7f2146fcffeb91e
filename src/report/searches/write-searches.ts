import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileFault, KernelcastError } from "../../domain/index.ts";
import type { AnatomyStep } from "../../evaluate/searches/gap-anatomy.ts";
import type { ArmScore } from "../../evaluate/searches/score-searches.ts";
import type { SearchResults } from "../../evaluate/searches/search-results.ts";
import { standaloneSvg } from "../recording/draw.ts";
import { anatomyChart, bestFoundChart, chartGroups, reachedChart, taskChart } from "./charts.ts";

export interface ScoredSearches {
  readonly scores: readonly ArmScore[];
  readonly anatomy: readonly AnatomyStep[];
}

/** The plots by file name; several of a kind where there are more arms than one can show. */
export function searchPlots(results: SearchResults, { scores, anatomy }: ScoredSearches): Map<string, string> {
  const plots = new Map<string, string>();
  chartGroups(results.arms).forEach((arms, group) => {
    const ending = group === 0 ? ".svg" : `-${group + 1}.svg`;
    plots.set(`best-found${ending}`, bestFoundChart({ ...results, arms }));
    plots.set(`within-5-percent${ending}`, reachedChart({ ...results, arms }));
    plots.set(`tasks${ending}`, taskChart(scores.filter(({ arm }) => arms.includes(arm))));
  });
  if (anatomy.length > 0) plots.set("anatomy.svg", anatomyChart(anatomy));
  return new Map([...plots].map(([name, svg]) => [name, standaloneSvg(svg)]));
}

/** Writes search.json and the plots into a folder that is there; gives the document's path. Throws `KernelcastError("store", …)`. */
export function writeSearches(
  folder: string,
  results: SearchResults,
  scored: ScoredSearches & { readonly document: unknown },
): string {
  const path = join(folder, "search.json");
  try {
    writeFileSync(path, `${JSON.stringify(scored.document, null, 2)}\n`);
    for (const [name, svg] of searchPlots(results, scored)) writeFileSync(join(folder, name), svg);
  } catch (cause) {
    throw new KernelcastError("store", `cannot write the searches into ${folder}: ${fileFault(cause)}`, { cause });
  }
  return path;
}
