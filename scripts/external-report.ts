/**
 * `npm run results:external`: replays the exported searches of docs/results/external-h100 whose candidates a coding agent handed
 * in, and the runs that measured every candidate afterwards, matches their receipts, and writes each hindsight.json and README.md.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { toQuantilesUs } from "../src/domain/index.ts";
import { judgeGate, type GateJudgement } from "./external/judge-gate.ts";
import { readExternalRun, type ExternalCandidate, type ExternalRun, type Truth } from "./external/read-external-run.ts";
import { markdownTable } from "./markdown.ts";

const results = fileURLToPath(new URL("../docs/results/external-h100", import.meta.url));

/** Folders of the exported searches, one per task; none before there are some. */
export function externalRunFolders(): readonly string[] {
  if (!existsSync(results)) return [];
  return readdirSync(results)
    .map((name) => join(results, name))
    .filter((folder) => existsSync(join(folder, "events.jsonl.gz")))
    .sort();
}

type Judged = ExternalRun & { readonly gate: GateJudgement };

/** The page of the results. */
export function externalPage(runs: readonly ExternalRun[]): string {
  const judged = runs.map((run) => ({ ...run, gate: judgeGate(run) }));
  return `# Searches with a coding agent's candidates

A coding agent that saw the task and no measurement of it wrote a round of kernels, and a second round once it had seen what became of the first.
They came through \`kernelcast submit\` ([how](../../guide/proposing.md)) into a search with \`--proposer external\` on an H100, were forecast, gated and, where the gate
said so, measured. Afterwards another run on the same device measured **every** candidate, the skipped ones too, so that it is known what was
right. \`npm run results:external\` replays both runs of each task (every decision must follow again), matches every measurement with its
receipt, and writes this page.

## What came, and what became of it

${cameTable(judged)}

A duplicate is one by text or machine code. Kinds of failures are those of the search and of the later run together.

## What was found

${foundTable(judged)}

Times of the last three columns are the later run's, one screening of each kernel; a speedup of the search's is confirmed against its incumbents.

## What the forecasts and the gate got right

${gateTable(judged)}

A win is a candidate that beats the incumbent of the moment at which it was decided by 2 %. A missed one was skipped then (some were measured later). Rank correlation,
pairwise accuracy (pairs that differ by 10 %) and coverage are over all candidates that work, AUROC of p_ok over all.

${judged.map(candidateSection).join("\n\n")}

\`events.jsonl.gz\` is a run's log, \`receipts.jsonl.gz\` what the worker vouches for, \`report.html\` the report that the command wrote, \`candidates/\` the agent's sources, launches and ideas;
\`hindsight/\` holds the same of the later run, \`hindsight.json\` the tables above in full.
`;
}

function cameTable(runs: readonly Judged[]): string {
  return markdownTable(
    ["task", "handed in", "duplicates", "forecast", "measured", "skipped", "never seen", "failed, by kind"],
    runs.map(({ search: { summary }, candidates, gate, notConsidered }) => [
      summary.task,
      summary.considered,
      summary.duplicates,
      gate.forecasts,
      candidates.filter(({ measured }) => measured).length,
      gate.spared,
      notConsidered.length,
      failuresText(candidates),
    ]),
  );
}

function failuresText(candidates: readonly ExternalCandidate[]): string {
  const counts = new Map<string, number>();
  for (const { measured, hindsight } of candidates) {
    const status = [measured, hindsight].find((truth) => truth && truth.status !== "ok")?.status;
    if (status) counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  return [...counts].map(([status, count]) => `${status} ${count}`).join(", ") || "none";
}

function foundTable(runs: readonly Judged[]): string {
  return markdownTable(
    ["task", "seed µs", "best µs", "speedup", "best kernel", "it, later", "fastest of all, later", "slower than that"],
    runs.map(({ search: { summary }, candidates, gate: { foundUs, fastestOfAll } }) => {
      const best = candidates.find(({ kernelId }) => kernelId === summary.best?.kernel_id);
      const fastestUs = fastestOfAll?.hindsight?.us;
      return [
        summary.task,
        micros(summary.seed_kernel.runtime_us),
        micros(summary.best?.runtime_us),
        summary.best ? `${summary.best.speedup.toFixed(2)} ×` : "–",
        best ? nameOf(best) : "the seed",
        micros(foundUs),
        fastestOfAll ? `${micros(fastestUs)} (${nameOf(fastestOfAll)})` : "–",
        foundUs === undefined || fastestUs === undefined ? "–" : percent(foundUs / fastestUs - 1, 1),
      ];
    }),
  );
}

function gateTable(runs: readonly Judged[]): string {
  return markdownTable(
    [
      "task",
      "measurements spared",
      "wins",
      "missed when decided",
      "failures skipped",
      "Spearman",
      "pairwise",
      "80 % intervals cover",
      "AUROC of p_ok",
    ],
    runs.map(({ search, candidates, gate }) => [
      search.summary.task,
      `${gate.spared} of ${candidates.length} (${percent(gate.sparedShare)})`,
      gate.wins,
      gate.missed.length,
      `${gate.failuresSpared} of ${gate.failures}`,
      score(gate.spearman),
      score(gate.pairwise),
      percent(gate.coverage80),
      score(gate.aurocOfOk),
    ]),
  );
}

function candidateSection({ search: { summary }, candidates }: Judged): string {
  const rows = candidates.map((one) => {
    const quantiles = one.forecast && toQuantilesUs(one.forecast);
    return [
      nameOf(one),
      quantiles ? `${micros(quantiles.p50)} (${micros(quantiles.p10)}–${micros(quantiles.p90)})` : "–",
      one.forecast?.pOk.toFixed(2) ?? "–",
      one.decision?.action ?? "–",
      micros(one.incumbentUs),
      truthText(one.measured),
      truthText(one.hindsight),
    ];
  });
  const header = ["candidate", "forecast µs", "p_ok", "decided", "incumbent then", "in the search", "later"];
  return `## ${summary.task}\n\n${markdownTable(header, rows)}`;
}

function nameOf({ file, kernelId }: ExternalCandidate): string {
  return file === undefined ? `\`${kernelId}\`` : `\`${file}\``;
}

function truthText(truth: Truth | undefined): string {
  return truth === undefined ? "–" : truth.us === undefined ? truth.status : micros(truth.us);
}

function micros(us: number | null | undefined): string {
  return us === null || us === undefined ? "–" : us.toFixed(1);
}

function percent(share: number | undefined, digits = 0): string {
  return share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`;
}

function score(value: number | undefined): string {
  return value === undefined ? "–" : value.toFixed(3);
}

/** One task's hindsight.json. */
export function hindsightDocument(run: ExternalRun): object {
  const { missed, fastestOfAll, ...figures } = judgeGate(run);
  const rows = run.candidates.map(({ kernelId, file, idea, forecast, decision, incumbentUs, measured, hindsight }) => ({
    kernel_id: kernelId,
    file,
    idea,
    forecast: forecast && { p_ok: forecast.pOk, runtime_us: toQuantilesUs(forecast) },
    decision: decision?.action,
    incumbent_us: incumbentUs,
    measured,
    hindsight,
  }));
  const names = { missed: missed.map(({ kernelId }) => kernelId), fastest_of_all: fastestOfAll?.kernelId };
  return { task: run.search.summary.task, ...figures, ...names, candidates: rows };
}

async function main(): Promise<void> {
  const folders = externalRunFolders();
  if (folders.length === 0) throw new Error(`${results}: there is no exported search in it`);
  const runs = await Promise.all(folders.map(readExternalRun));
  for (const run of runs)
    writeFileSync(join(run.folder, "hindsight.json"), `${JSON.stringify(hindsightDocument(run), null, 2)}\n`);
  writeFileSync(join(results, "README.md"), externalPage(runs));
  console.log(`${runs.length} searches replayed: ${runs.map(({ folder }) => basename(folder)).join(", ")}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
