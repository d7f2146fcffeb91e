/**
 * `npm run bench:orchestration [-- --json]`: time and memory per candidate of the search itself, forecasting and measuring
 * excluded (they are instant here), with every event written to a real SQLite file.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPolicy } from "../src/decide/policies.ts";
import { runSearch } from "../src/search/run-search.ts";
import { openRunStore } from "../src/store/sqlite-run-store.ts";
import { syntheticDevice, syntheticForecaster, syntheticProposer, syntheticTask } from "../src/testing/synthetic.ts";

const sizes = [100, 10_000, 100_000];

async function benchmark(candidates: number): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "kernelcast-bench-"));
  const store = openRunStore(join(folder, "runs.sqlite"));
  const config = {
    taskId: "synthetic",
    taskSha256: "0",
    device: "synthetic",
    proposer: "synthetic",
    forecaster: "synthetic",
    policy: "top-k",
    seed: 1,
    budget: { candidates },
    winLog2: Math.log2(1.02),
    measureConcurrency: 1,
    openBatches: 1,
    strategy: { explore: 1, archive: 1000 },
  };
  store.createRun({ runId: "bench", configKey: "bench", config, createdAt: 0 });
  const stages = {
    task: syntheticTask(),
    device: syntheticDevice(),
    proposer: syntheticProposer(),
    forecaster: syntheticForecaster(),
  };
  const cpu = process.cpuUsage();
  const start = performance.now();
  const state = await runSearch({ runId: "bench", config, policy: createPolicy("top-k"), stages, store });
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const cpuMilliseconds = (user + system) / 1000;
  store.close();
  rmSync(folder, { recursive: true, force: true });
  return {
    candidates: state.counts.considered,
    measured: state.counts.measured,
    milliseconds: Math.round(milliseconds),
    ms_per_candidate: Number((milliseconds / state.counts.considered).toFixed(4)),
    cpu_ms_per_candidate: Number((cpuMilliseconds / state.counts.considered).toFixed(4)),
    rss_mib: Math.round(process.memoryUsage().rss / 2 ** 20),
  };
}

await benchmark(100); // warms the just-in-time compiler up
const rows: Record<string, number>[] = [];
for (const size of sizes) rows.push(await benchmark(size));
if (process.argv.includes("--json")) console.log(JSON.stringify(rows, null, 2));
else console.table(rows);
