/**
 * `npm run results:trust`: one search with `--trust auto` on a ledger that starts empty, whose forecaster is sound until a batch and
 * sabotaged from it on; writes docs/results/trust.md, its report and its ledger. The study of `bench trust` that the page quotes is
 * docs/results/trust/bench.json, written by `kernelcast bench trust --curves --recording atlas --json`.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TrustBenchDocument } from "../src/cli/bench-trust-result.ts";
import { benchTrustLines } from "../src/cli/bench-trust-result.ts";
import { createPolicy } from "../src/decide/policies.ts";
import { canonicalJson, sha256Hex } from "../src/domain/index.ts";
import { openBenchTask } from "../src/evaluate/searches/bench-task.ts";
import { renderReport } from "../src/report/render-report.ts";
import { searchDefaults, virtualOpenBatches } from "../src/search/defaults.ts";
import type { SearchNote } from "../src/search/events.ts";
import { runSearch } from "../src/search/run-search.ts";
import { loadBenchRecording } from "../src/serve/bench/load-bench-recording.ts";
import { openForecaster } from "../src/serve/open-forecaster.ts";
import { openRunTrust } from "../src/serve/trust/run-trust.ts";
import { createMemoryRunStore } from "../src/store/memory-run-store.ts";
import { sabotagedForecaster } from "../src/testing/index.ts";
import { markdownTable } from "./markdown.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = join(root, "docs/results/trust");
const [taskId, forecasterName, seed, fromBatch, measurements] = ["nbody-f32", "adapt:auto", 2, 12, 300] as const;

const folder = mkdtempSync(join(tmpdir(), "kernelcast-trust-"));
mkdirSync(out, { recursive: true });
try {
  const loaded = await loadBenchRecording("atlas", undefined, [taskId]);
  const { task, device, proposer } = openBenchTask(loaded.recording, loaded.device, taskId);
  const policy = createPolicy("gate");
  const config = {
    ...searchDefaults,
    taskId,
    taskSha256: sha256Hex(canonicalJson(task)),
    device: "recorded:atlas",
    proposer: "recorded",
    forecaster: forecasterName,
    policy: policy.name,
    trust: "auto",
    seed,
    budget: { measurements },
    measureConcurrency: device.concurrency,
    openBatches: virtualOpenBatches,
  } as const;
  const store = createMemoryRunStore();
  const runId = "sabotaged";
  store.createRun({ runId, configKey: runId, config, createdAt: 0 });
  const ledgerPath = join(folder, "trust.sqlite");
  const trust = await openRunTrust({
    ledgerPath,
    unearned: true,
    mode: "auto",
    forecaster: forecasterName,
    device,
    task,
    runId,
  });
  const forecaster = sabotagedForecaster(await openForecaster(forecasterName), { fromBatch });
  const notes: SearchNote[] = [];
  let batches = 0;
  let sabotagedAfter = 0;
  const state = await runSearch({
    runId,
    config,
    policy,
    stages: { task, device, proposer, forecaster },
    store,
    trust: trust.start,
    listener: (...step) => {
      trust.listener(...step);
      const [, input, { notes: noted }] = step;
      if (input.type === "forecast-end" && batches++ === fromBatch) sabotagedAfter = countLabels(notes);
      notes.push(...noted);
    },
  });
  trust.close();
  await forecaster.close?.();
  writeFileSync(join(out, "sabotaged-search.html"), renderReport(store, runId, task));
  writeFileSync(join(root, "docs/results/trust.md"), page(notes, sabotagedAfter, state.counts.measured));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function countLabels(notes: readonly SearchNote[]): number {
  return notes.filter(({ type }) => type === "trust-label").length;
}

function page(notes: readonly SearchNote[], sabotagedAfter: number, measured: number): string {
  let labels = 0;
  const rows: string[][] = [];
  let isTold = false;
  for (const note of notes) {
    if (!isTold && labels >= sabotagedAfter) {
      rows.push([
        String(sabotagedAfter),
        "sabotage begins",
        `forecasts of each batch are permuted, from batch ${fromBatch} on`,
      ]);
      isTold = true;
    }
    if (note.type === "trust-label") labels++;
    if (note.type !== "trust-change") continue;
    const { change } = note;
    const what = change.kind === "level" ? `${change.from} → ${change.to}` : `${change.kind} of ${change.family}`;
    rows.push([String(labels), what, change.reason]);
  }
  return `# Trust: earned, and lost

\`npm run results:trust\` makes this page. One search of \`${taskId}\` on the atlas, ${measured} measurements, \`--policy gate --forecaster ${forecasterName}
--trust auto --seed ${seed}\`, on a ledger that starts empty: the forecaster begins in shadow. From its ${fromBatch + 1}th batch on it is
\`sabotagedForecaster\` of \`kernelcast/testing\`: each candidate gets the forecast of another one.

${markdownTable(["sealed forecasts measured", "what", "why"], rows)}

The whole of it, with the seals in their order: [report](trust/sabotaged-search.html).

${study()}`;
}

function study(): string {
  const path = join(out, "bench.json");
  if (!existsSync(path)) return "";
  const lines = benchTrustLines(JSON.parse(readFileSync(path, "utf8")) as TrustBenchDocument);
  return `## The study

\`kernelcast bench trust --curves --recording atlas --json\`, kept in [trust/bench.json](trust/bench.json):

${lines.map((line) => (line.startsWith("  ") ? `  - ${line.trim()}` : `- ${line}`)).join("\n")}
`;
}
