import { resolve } from "node:path";
import type { SplitChoice } from "../evaluate/choose-tasks.ts";
import { gapAnatomy } from "../evaluate/searches/gap-anatomy.ts";
import { scoreSearches } from "../evaluate/searches/score-searches.ts";
import { searchDocument } from "../evaluate/searches/search-document.ts";
import { usualArms } from "../serve/bench/arms.ts";
import { benchSearch } from "../serve/bench/bench-search.ts";
import { makeOutputFolder } from "./output-folder.ts";
import { benchSearchLines } from "./bench-search-result.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { createProgress } from "./evaluate-command.ts";
import { listed } from "./listed.ts";

export interface BenchSearchFlags {
  readonly recording: string;
  readonly split?: SplitChoice;
  readonly tasks?: string;
  readonly device?: string;
  readonly arms?: string;
  readonly seeds: number;
  readonly measurements: number;
  readonly gpuUsdPerHour?: number;
  readonly jobs?: number;
  readonly workspace: string;
  readonly out?: string;
  readonly json: boolean;
}

/** Fixes the draws of the bootstrap. */
const bootstrapSeed = 1;

/** `kernelcast bench search`. */
export async function benchSearchCommand(this: CliContext, flags: BenchSearchFlags): Promise<void> {
  const { recording, split, device, seeds, measurements, jobs, workspace, gpuUsdPerHour } = flags;
  const out = flags.out === undefined ? undefined : resolve(this.process.cwd(), flags.out);
  if (out !== undefined) makeOutputFolder(out);
  const progress = createProgress(this);
  try {
    const { results, setting } = await benchSearch({
      recording,
      split,
      tasks: listed(flags.tasks),
      device,
      arms: listed(flags.arms) ?? usualArms,
      seeds,
      measurements,
      jobs,
      workspace: resolve(this.process.cwd(), workspace),
      signal: this.signal,
      onProgress: (done, all, taskId) => progress.show("searches", taskId, Math.max(0, done - 1), all),
    });
    progress.close();
    const scores = scoreSearches(results, bootstrapSeed);
    const anatomy = gapAnatomy(results, bootstrapSeed);
    const document = searchDocument(results, scores, anatomy, { ...setting, gpuUsdPerHour });
    if (flags.json) printJson(this, document);
    else for (const line of benchSearchLines(results, scores, anatomy, setting)) printLine(this, line);
    for (const line of setting.notes) note(this, line);
    if (out === undefined) return;
    const { writeSearches } = await import("../report/searches/write-searches.ts");
    note(this, `wrote ${writeSearches(out, results, { scores, anatomy, document })}`);
  } finally {
    progress.close();
  }
}
