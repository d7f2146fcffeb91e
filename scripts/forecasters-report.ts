/**
 * `npm run results:forecasters [-- --forecasters static,compare,auto --recording atlas --seed 1]`: scores forecasters beside the
 * baselines, at the start of a search and within one, on the splits validation and test, and writes
 * docs/results/forecasters.md and .json. The same figures, kernel by kernel: `kernelcast evaluate`.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { evaluationDocuments, type EvaluationResult } from "../src/evaluate/evaluation-document.ts";
import { pairedDifferences } from "../src/evaluate/paired-differences.ts";
import type { MeanScore } from "../src/evaluate/score-tasks.ts";
import type { ScoreName } from "../src/evaluate/score-task.ts";
import { evaluateRecording } from "../src/serve/evaluate-recording.ts";
import { markdownTable } from "./markdown.ts";

const { values } = parseArgs({
  options: {
    forecasters: { type: "string", default: "static,compare,auto" },
    recording: { type: "string", default: "atlas" },
    out: { type: "string", default: "docs/results/forecasters" },
    seed: { type: "string", default: "1" },
  },
});

const columns: readonly (readonly [string, ScoreName])[] = [
  ["pairwise", "pairwise"],
  ["Spearman", "spearman"],
  ["top tenth within 5 %", "top tenth within 5 %"],
  ["CRPS", "crps"],
  ["covers 80 %", "coverage 80"],
  ["ECE", "ece"],
  ["AUROC of p_ok", "auroc of p_ok"],
  ["with compile errors", "auroc with compile errors"],
];

const seed = Number(values.seed);
const command = `npm run results:forecasters -- --forecasters ${values.forecasters} --recording ${values.recording} --seed ${seed}`;
const sections: string[] = [];
const documents: unknown[] = [];
for (const view of ["start", "search"] as const) {
  for (const split of ["validation", "test"] as const) {
    console.error(`${view}, ${split}`);
    const forecasters = values.forecasters.split(",");
    const result = await evaluateRecording({
      forecasters,
      recording: values.recording,
      split,
      view,
      evidence: true,
      seed,
    });
    documents.push(...evaluationDocuments(result));
    sections.push(section(result));
  }
}
await writeFile(`${values.out}.json`, `${JSON.stringify({ command, documents }, null, 1)}\n`);
await writeFile(`${values.out}.md`, page());
console.error(`wrote ${values.out}.md and .json`);

function section(result: EvaluationResult): string {
  const { view, split, device } = result.setting;
  const [first] = result.evaluations;
  const tasks = first?.judged.length ?? 0;
  const kernels = first?.judged.reduce((sum, { judged }) => sum + judged.length, 0) ?? 0;
  const rows = result.evaluations.map(({ label, scores }) => [
    label,
    ...columns.map(([, name]) => cell(scores.scores[name])),
  ]);
  return [
    `## ${view === "start" ? "At the start of a search" : "Within a search"}: ${split}, ${tasks} tasks, ${kernels} kernels`,
    "",
    `Device: ${device}.`,
    "",
    markdownTable(["forecaster", ...columns.map(([title]) => title)], rows),
    "",
    ...result.evaluations.slice(1, values.forecasters.split(",").length).map((one) => {
      if (!first) return "";
      const { crps } = pairedDifferences(first.scores, one.scores, seed);
      return `CRPS of ${one.label} less that of ${first.label}, paired by task: ${cell(crps)}.`;
    }),
    "",
  ].join("\n");
}

/** A mean over tasks with its interval. */
function cell({ mean, low, high }: MeanScore): string {
  if (mean === undefined) return "–";
  return low === undefined || high === undefined
    ? mean.toFixed(3)
    : `${mean.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
}

function page(): string {
  return [
    "# Scores of the forecasters",
    "",
    `Written by \`${command}\`; do not edit. Means over tasks, with the 95 % interval of a bootstrap over tasks; families of test and`,
    "validation were never trained on. *Start*: the seed kernel is the only anchor. *Search*: the seed, the kernel's own parent and eight",
    "others have been measured, as within a search. Compile evidence is given. What the scores are:",
    "[judging forecasters](../guide/judging-forecasters.md). Models were chosen on validation; nothing was tuned on test.",
    "",
    ...sections,
  ].join("\n");
}
