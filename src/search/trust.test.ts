import { describe, expect, it } from "vitest";
import { nextSeal } from "../decide/trust/sealed.ts";
import { defaultTrustSettings } from "../decide/trust/settings.ts";
import { freshRecord } from "../decide/trust/trust-record.ts";
import { createPolicy } from "../decide/policies.ts";
import type { Forecast, MeasureRequest, MeasurementConditions, TrustLevel } from "../domain/index.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { sabotagedForecaster } from "../testing/sabotaged-forecaster.ts";
import { logOf, syntheticRun } from "./__fixtures__/synthetic-run.ts";
import type { SearchConfig, SearchNote } from "./events.ts";
import { replayRun } from "./replay.ts";
import { runSearch, type RunSearchOptions } from "./run-search.ts";
import type { TrustStart } from "./trust.ts";

function start(level: TrustLevel, settings: Partial<TrustStart> = {}): TrustStart {
  return {
    key: { surrogate: "synthetic", recipe: "0", device: "synthetic" },
    mode: "auto",
    family: "synthetic",
    settings: defaultTrustSettings,
    record: freshRecord(defaultTrustSettings, level),
    known: [],
    environment: {},
    ...settings,
  };
}

function trusted(
  level: TrustLevel,
  overrides: Partial<SearchConfig> = {},
  settings: Partial<TrustStart> = {},
  policy: "gate" | "top-k" = "gate",
): RunSearchOptions {
  return {
    ...syntheticRun(policy, createMemoryRunStore(), { trust: "auto", ...overrides }),
    trust: start(level, settings),
  };
}

async function follow(options: RunSearchOptions) {
  const notes: SearchNote[] = [];
  const forecasts = new Map<string, Forecast>();
  const state = await runSearch({
    ...options,
    listener: (_state, input, step) => {
      if (input.type === "forecast-end") for (const one of input.forecasts) forecasts.set(one.kernelId, one);
      notes.push(...step.notes);
    },
  });
  const of = <T extends SearchNote["type"]>(type: T) =>
    notes.filter((note): note is Extract<SearchNote, { type: T }> => note.type === type);
  return { state, of, forecasts };
}

describe("a search in shadow", () => {
  it("measures everything, what the policy chose first, and asks for no further proposals before", async () => {
    const { state, of } = await follow(trusted("shadow", { budget: { measurements: 40 } }));
    const seen = of("decision");
    expect(state.counts.measured).toBe(40);
    expect(seen.filter(({ decision }) => decision.action === "audit").length).toBeGreaterThan(20);
    const first = seen.filter(({ batchId }) => batchId === seen[0]?.batchId).map(({ decision }) => decision.action);
    expect(first.lastIndexOf("measure")).toBeLessThan(first.indexOf("audit"));
    expect(first).not.toContain("skip");
  });

  it("seals each forecast before its outcome, in a chain that can be computed again", async () => {
    const { of, forecasts } = await follow(trusted("shadow", { budget: { measurements: 30 } }));
    const seals = of("forecast-seal");
    seals.forEach((note, place) => {
      if (place > 0) expect(note.previous).toBe(seals[place - 1]?.seal);
      const forecast = forecasts.get(note.kernelId) as Forecast;
      expect(nextSeal(note.previous, { ...note, forecast })).toBe(note.seal);
      expect(nextSeal(note.previous, { ...note, forecast: { ...forecast, m: forecast.m + 1e-9 } })).not.toBe(note.seal);
    });
    const sealed = new Map(seals.map(({ kernelId, seal }) => [kernelId, seal]));
    for (const { label } of of("trust-label")) expect(label.seal).toBe(sealed.get(label.kernelId));
    expect(of("trust-label").length).toBe(29);
  });

  it("hands the seal to the device", async () => {
    const options = trusted("shadow", { budget: { measurements: 8 } });
    const requests: MeasureRequest[] = [];
    const { device } = options.stages;
    const measure: typeof device.measure = (request, signal) => {
      requests.push(request);
      return device.measure(request, signal);
    };
    const { of } = await follow({ ...options, stages: { ...options.stages, device: { ...device, measure } } });
    const seals = new Set(of("forecast-seal").map(({ seal }) => seal));
    const screened = requests.filter(({ mode }) => mode === "screen").slice(1);
    expect(screened.length).toBe(7);
    for (const { sealed } of screened) expect(seals.has(sealed ?? "")).toBe(true);
  });

  it("does not count again what the ledger knows", async () => {
    const first = await follow(trusted("shadow", { budget: { measurements: 20 } }));
    const known = first.of("trust-label").map(({ label }) => label.kernelId);
    const second = await follow(trusted("shadow", { budget: { measurements: 20 } }, { known }));
    expect(second.of("trust-label")).toEqual([]);
  });
});

describe("a search in canary", () => {
  it("audits half of what is left out, with the probability logged", async () => {
    const { of } = await follow(trusted("canary", { budget: { measurements: 200 } }));
    const left = of("decision").filter(({ decision }) => decision.numbers["audit_probability"] === 0.5);
    const drawn = left.filter(({ decision }) => decision.action === "audit");
    expect(left.length).toBeGreaterThan(60);
    expect(Math.abs(drawn.length / left.length - 0.5)).toBeLessThan(0.15);
    const labels = of("trust-label").map(({ label }) => label);
    expect(new Set(labels.map(({ probability }) => probability))).toEqual(new Set([0.5, 1]));
  });
});

describe("a search in live", () => {
  it("decides as the gate alone would", async () => {
    const actions = async (options: RunSearchOptions) =>
      (await follow(options)).of("decision").map(({ decision }) => `${decision.kernelId} ${decision.action}`);
    const alone = syntheticRun("gate", createMemoryRunStore());
    expect(await actions(trusted("live", {}, { mode: "live" }))).toEqual(await actions(alone));
  });

  it("draws audits for a policy that draws none", async () => {
    const { state } = await follow(trusted("live", { budget: { measurements: 400 } }, {}, "top-k"));
    expect(state.counts.audited).toBeGreaterThan(4);
    expect(state.counts.audited / state.counts.measured).toBeLessThan(0.08);
  });

  it("stays shadow in a family that was vetoed", async () => {
    const record = freshRecord(defaultTrustSettings, "live");
    record.families["synthetic"] = { wins: 9, missed: 9, vetoWealth: [3, 3], winsWealth: [0, 0], vetoed: true };
    const { of } = await follow(trusted("live", {}, { record }));
    expect(new Set(of("forecast-seal").map(({ level }) => level))).toEqual(new Set(["shadow"]));
  });
});

describe("trust within one search", () => {
  /** The synthetic forecaster is surer than it says: its widths are those of its errors here. */
  const options = (): RunSearchOptions => {
    const made = trusted(
      "shadow",
      { budget: { measurements: 900 } },
      { settings: { ...defaultTrustSettings, leastWins: 3 } },
    );
    const { forecaster } = made.stages;
    const record = freshRecord(defaultTrustSettings);
    // Wins are few where runtimes are bounded: those of an earlier search are there already.
    record.evidence.winsWealth.splice(0, 2, 3.5, 3.5);
    record.evidence.wins = 20;
    if (!forecaster) throw new Error("the synthetic run has a forecaster");
    const honest = {
      ...forecaster,
      forecast: async (...asked: Parameters<typeof forecaster.forecast>) => {
        const answer = await forecaster.forecast(...asked);
        return { ...answer, forecasts: answer.forecasts.map((one) => ({ ...one, sigmaLow: 0.16, sigmaHigh: 0.16 })) };
      },
    };
    const sabotaged = sabotagedForecaster(honest, { fromBatch: 20 });
    return {
      ...made,
      trust: { ...(made.trust as TrustStart), record },
      stages: { ...made.stages, forecaster: sabotaged },
    };
  };

  it("is earned, lost to a sabotaged forecaster, and comes out of the log again", async () => {
    const search = options();
    const { state, of } = await follow(search);
    const levels = of("trust-change").flatMap(({ change }) => (change.kind === "level" ? [change.to] : []));
    expect(levels[0]).toBe("canary");
    expect(levels).toContain("shadow");
    const lost = of("trust-change").find(({ change }) => change.kind === "level" && change.to === "shadow");
    expect(lost?.change.reason).toMatch(/forecasts no longer hold/);
    const replayed = replayRun(search.store, search.runId, createPolicy("gate"));
    expect(replayed?.state.trust?.tracker.record).toEqual(state.trust?.tracker.record);
    expect(replayed?.state.trust?.chain).toBe(state.trust?.chain);
  });

  it("goes on where it was cut off", async () => {
    const [complete, cut] = [options(), options()];
    await runSearch(complete);
    const controller = new AbortController();
    let steps = 0;
    const interrupted = runSearch({
      ...cut,
      signal: controller.signal,
      listener: () => void (++steps === 150 && controller.abort()),
    });
    await expect(interrupted).rejects.toThrow(/interrupted/);
    // A forecaster is told nothing of what was asked before: this one would count its batches anew.
    const asked = [...cut.store.events(cut.runId)].filter(({ type }) => type === "forecast-end").length;
    expect(asked).toBeGreaterThan(0);
    const whole = logOf(complete.store, complete.runId);
    expect(logOf(cut.store, cut.runId)).toEqual(whole.slice(0, logOf(cut.store, cut.runId).length));
  });
});

describe("guards", () => {
  const withConditions = (options: RunSearchOptions, conditions: MeasurementConditions): RunSearchOptions => {
    const { device } = options.stages;
    const measure: typeof device.measure = async (...asked) => ({ ...(await device.measure(...asked)), conditions });
    return { ...options, stages: { ...options.stages, device: { ...device, measure } } };
  };

  it("send trust back to canary when the device throttles", async () => {
    const { state, of } = await follow(withConditions(trusted("live"), { throttled: true }));
    expect(of("trust-change")[0]).toMatchObject({ by: "guard", change: { from: "live", to: "canary" } });
    expect(state.trust?.tracker.record.level).toBe("canary");
  });

  it("let nothing count whose controls prove nothing", async () => {
    const { state, of } = await follow(withConditions(trusted("shadow"), { controlsOk: false }));
    expect(of("trust-label").every(({ label }) => !label.counts)).toBe(true);
    expect(state.trust?.tracker.record).toEqual(freshRecord(defaultTrustSettings));
  });
});
