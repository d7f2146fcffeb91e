import { describe, expect, it } from "vitest";
import type { ForecastRequest } from "../domain/index.ts";
import { createEnsembleForecaster } from "../forecast/ensemble/ensemble-forecaster.ts";
import { plainRecipe } from "../forecast/calibrate/recipe.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { syntheticForecaster } from "../testing/synthetic.ts";
import { logOf, syntheticRun } from "./__fixtures__/synthetic-run.ts";
import { replayRun } from "./replay.ts";
import { runSearch, type RunSearchOptions } from "./run-search.ts";

/** A search whose forecaster is three doublings too high, and what it was asked. */
function learningRun(store = createMemoryRunStore()) {
  const asked: ForecastRequest[] = [];
  const plain = syntheticForecaster();
  const ensemble = createEnsembleForecaster({
    name: "ensemble:high",
    members: [
      {
        name: "high",
        weight: 1,
        recipe: plainRecipe,
        forecaster: {
          name: "high",
          forecast: async (request) => {
            const { forecasts, ...rest } = await plain.forecast(request);
            return { ...rest, forecasts: forecasts.map((forecast) => ({ ...forecast, m: forecast.m + 3 })) };
          },
        },
      },
    ],
  });
  const run = syntheticRun("top-k", store, { measureConcurrency: 3, openBatches: 2 });
  const forecaster = {
    name: ensemble.name,
    forecast: (request: ForecastRequest) => {
      asked.push(request);
      return ensemble.forecast(request);
    },
  };
  const options: RunSearchOptions = { ...run, stages: { ...run.stages, forecaster } };
  return { options, asked, store };
}

describe("learning within a run", () => {
  it("gives the forecaster each outcome once, in order, and it corrects itself", async () => {
    const { options, asked } = learningRun();
    const state = await runSearch(options);
    const last = asked.at(-1)?.outcomes ?? [];
    expect(asked[0]?.outcomes).toEqual([]);
    expect(last.length).toBeGreaterThan(10);
    expect(new Set(last.map(({ basis }) => basis.kernelId)).size).toBe(last.length);
    for (const { outcomes = [] } of asked) expect(last.slice(0, outcomes.length)).toEqual(outcomes);
    expect(state.outcomes.length).toBe(state.counts.measured - 1);
    const errors = last.flatMap(({ basis, log2Us }) =>
      log2Us === null ? [] : [(basis.members["high"]?.m ?? 0) - log2Us],
    );
    expect(Math.min(...errors)).toBeGreaterThan(2);
    const widths = [...state.candidates.values()].flatMap(({ forecast }) => (forecast ? [forecast.sigmaLow] : []));
    expect(widths.at(-1)).toBeGreaterThan(1.5 * (widths[0] ?? 0));
  });

  it("goes on where a run was cut off as if it had not been", async () => {
    const whole = learningRun();
    await runSearch(whole.options);
    const { runId } = whole.options;
    const events = [...whole.store.events(runId)];
    const cuts = events.flatMap(({ type, seq }) => (type === "measurement-end" ? [seq + 1] : []));
    for (const cut of cuts.filter((_, index) => index % 4 === 1)) {
      const store = createMemoryRunStore();
      const resumed = learningRun(store);
      for (const { payload } of events) copySources(whole.store, store, payload);
      // Conclusions of the input before the cut belong to it.
      const end = events.findIndex(({ seq, payload }) => seq >= cut && JSON.stringify(payload).includes("commandId"));
      store.append(
        resumed.options.runId,
        events.slice(0, end < 0 ? events.length : end).map(({ runId: _, ...event }) => event),
      );
      await runSearch(resumed.options);
      expect(logOf(store, resumed.options.runId)).toEqual(logOf(whole.store, runId));
    }
  });

  it("replays logs of forecasters that do not learn, which have no basis", async () => {
    const store = createMemoryRunStore();
    const run = syntheticRun("top-k", store);
    await runSearch(run);
    expect(logOf(store, run.runId).some((line) => line.includes("basis"))).toBe(false);
    expect(replayRun(store, run.runId, run.policy)?.state.outcomes).toEqual([]);
  });
});

function copySources(from: ReturnType<typeof createMemoryRunStore>, to: typeof from, payload: unknown): void {
  for (const [, sha256] of JSON.stringify(payload).matchAll(/"sourceSha256":"([0-9a-f]{64})"/g)) {
    const text = from.blob(sha256 ?? "");
    if (text !== undefined) to.putBlob(text);
  }
}
