import { expect, it } from "vitest";
import { defaultTrustSettings } from "../decide/trust/settings.ts";
import { freshRecord } from "../decide/trust/trust-record.ts";
import { canonicalJson, sha256Hex } from "../domain/index.ts";
import { syntheticRun } from "../search/__fixtures__/synthetic-run.ts";
import { runSearch } from "../search/run-search.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { renderReport } from "./render-report.ts";

const trust = {
  key: { surrogate: "synthetic", recipe: "0", device: "synthetic" },
  mode: "auto",
  family: "synthetic",
  settings: defaultTrustSettings,
  record: freshRecord(defaultTrustSettings),
  known: [],
  environment: {},
} as const;

it("says why a surrogate was not trusted, and that receipts echo its seals", async () => {
  const store = createMemoryRunStore();
  const run = syntheticRun("gate", store, { trust: "auto" });
  const { device, task } = run.stages;
  // Every other receipt echoes its seal.
  let receipts = 0;
  const measure: typeof device.measure = async (request, signal) => {
    const measurement = await device.measure(request, signal);
    const text = canonicalJson({
      request: request.requestId,
      sealed: receipts++ % 2 === 0 ? request.sealed : "another",
    });
    store.putBlob(text);
    return { ...measurement, receiptSha256: sha256Hex(text) };
  };
  await runSearch({ ...run, trust, stages: { ...run.stages, device: { ...device, measure } } });
  const report = renderReport(store, run.runId, task);
  expect(report).toContain("Why this surrogate was not trusted");
  expect(report).toMatch(/0 of the outcomes were\s+known before their seal/);
  expect(report).toMatch(/For the next level it lacks: \d+ of 20 wins seen/);
  const [, echoed, kept] = /(\d+) of (\d+) receipts echo the seal/.exec(report) ?? [];
  expect(Number(kept)).toBeGreaterThan(20);
  expect(Math.abs(Number(echoed) - Number(kept) / 2)).toBeLessThanOrEqual(3);
});

it("says nothing of trust where none was asked for", async () => {
  const store = createMemoryRunStore();
  const run = syntheticRun("top-k", store);
  await runSearch(run);
  expect(renderReport(store, run.runId, run.stages.task)).not.toContain('id="trust"');
});
