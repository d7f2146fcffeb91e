import { describe, expect, it } from "vitest";
import {
  makeKernel,
  type Anchor,
  type Forecaster,
  type ForecastOutcome,
  type ForecastRequest,
  type Kernel,
} from "../../domain/index.ts";
import { forecasterContract } from "../../testing/forecaster-contract.ts";
import { syntheticRequest } from "../../testing/synthetic-request.ts";
import { syntheticDeviceInfo, syntheticForecaster, syntheticTask } from "../../testing/synthetic.ts";
import { plainRecipe } from "../calibrate/recipe.ts";
import { createEnsembleForecaster, learn, type EnsembleMember } from "./ensemble-forecaster.ts";
import { untaught } from "./weights.ts";

function kernel(label: number): Kernel {
  const source = `extern "C" __global__ void k(float* out) { out[threadIdx.x] = ${label}.0f; }`;
  const launch = { kernel: "k", grid: [1, 1, 1], block: [32, 1, 1], smemBytes: 0, args: ["out"] } as const;
  return makeKernel({ source, launches: [launch], compileOptions: [] }, {});
}

const candidates = [kernel(1), kernel(2), kernel(3)];

/** Says the same of every kernel but those it does not know. */
function constant(name: string, m: number, unknown: readonly string[] = []): Forecaster {
  return {
    name,
    forecast: (request) =>
      Promise.resolve({
        forecasts: request.candidates
          .filter(({ kernelId }) => !unknown.includes(kernelId))
          .map(({ kernelId }) => ({ kernelId, pOk: 0.9, m, sigmaLow: 0.4, sigmaHigh: 0.6 })),
        cost: { cpuSeconds: 1, tokens: 10, usd: 0.5 },
      }),
  };
}

function member(name: string, m: number, unknown?: readonly string[]): EnsembleMember {
  return { name, forecaster: constant(name, m, unknown), recipe: plainRecipe, weight: 0.5 };
}

const task = syntheticTask();
const seed: Anchor = {
  kernel: task.seedKernel,
  measurement: {
    kernelId: task.seedKernel.kernelId,
    device: "synthetic",
    status: "ok",
    runtime: { medianUs: 64, p10Us: 64, p90Us: 64, n: 1, samplesUs: [] },
    cost: { gpuSeconds: 0, cpuSeconds: 0 },
  },
};
const request: ForecastRequest = { task, device: syntheticDeviceInfo, anchors: [seed], candidates };

async function ask(members: readonly EnsembleMember[], outcomes: readonly ForecastOutcome[] = [], device?: string) {
  const forecaster = createEnsembleForecaster({ name: "ensemble", members, ...(device ? { device } : {}) });
  return forecaster.forecast({ ...request, outcomes });
}

/** Outcomes of what the members say of the candidates, all as fast as 2^5 µs. */
async function outcomesOf(members: readonly EnsembleMember[], count: number): Promise<ForecastOutcome[]> {
  const { basis = [] } = await ask(members);
  return Array.from({ length: count }, (_, index) => {
    const one = basis[index % basis.length];
    if (!one) throw new Error("no basis");
    return { basis: one, log2Us: 5 };
  });
}

forecasterContract(
  "ensemble",
  {
    request: syntheticRequest(),
    open: () => {
      const members = ["a", "b"].map((name) => ({
        name,
        forecaster: syntheticForecaster(),
        recipe: plainRecipe,
        weight: 0.5,
      }));
      return createEnsembleForecaster({ name: "ensemble:a+b", members });
    },
  },
  { describe, it, expect },
);

describe("the ensemble", () => {
  it("of one member that is believed is that member", async () => {
    const { forecasts, cost } = await ask([member("a", 5)]);
    expect(forecasts.map(({ kernelId }) => kernelId)).toEqual(candidates.map(({ kernelId }) => kernelId));
    for (const { m, sigmaLow, sigmaHigh, pOk } of forecasts) {
      expect(m).toBeCloseTo(5, 9);
      expect(sigmaLow).toBeCloseTo(0.4, 6);
      expect(sigmaHigh).toBeCloseTo(0.6, 6);
      expect(pOk).toBeCloseTo(0.9, 9);
    }
    expect(cost).toMatchObject({ tokens: 10, usd: 0.5 });
  });

  it("pools its members, adds their costs, and tells what each said", async () => {
    const { forecasts, basis, cost } = await ask([member("a", 5), member("b", 6)]);
    for (const { m } of forecasts) {
      expect(m).toBeGreaterThan(5.2);
      expect(m).toBeLessThan(5.8);
    }
    expect(cost).toMatchObject({ tokens: 20, usd: 1 });
    expect(cost.cpuSeconds).toBeGreaterThanOrEqual(2);
    expect(basis?.[0]?.members).toMatchObject({ a: { m: 5 }, b: { m: 6 } });
    expect(basis?.[0]?.reference?.log2Us).toBe(6);
  });

  it("follows the member that outcomes speak for", async () => {
    const members = [member("a", 5), member("b", 6)];
    const medians = [];
    for (const count of [0, 4, 32]) {
      const { forecasts } = await ask(members, await outcomesOf(members, count));
      medians.push(forecasts[0]?.m ?? Number.NaN);
    }
    expect(medians[1]).toBeLessThan(medians[0] as number);
    expect(medians[2]).toBeLessThan(5.1);
  });

  it("is a function of the request: the same after other requests, and after its state went through a file", async () => {
    const members = [member("a", 5), member("b", 6)];
    const outcomes = await outcomesOf(members, 9);
    const forecaster = createEnsembleForecaster({ name: "ensemble", members });
    await forecaster.forecast({ ...request, outcomes: outcomes.slice(0, 3) });
    const { forecasts } = await forecaster.forecast({ ...request, outcomes });
    const stored = JSON.parse(JSON.stringify(outcomes)) as ForecastOutcome[];
    expect((await ask(members, stored)).forecasts).toEqual(forecasts);
  });

  it("learns an outcome at a time, from a state that can be stored", async () => {
    const members = [member("a", 5), member("b", 6)];
    const [first, second] = (await outcomesOf(members, 2)) as [ForecastOutcome, ForecastOutcome];
    const once = learn(untaught, members, first);
    const stored = JSON.parse(JSON.stringify(once)) as typeof once;
    expect(learn(stored, members, second)).toEqual(learn(once, members, second));
    expect(untaught.scores).toEqual({});
    expect(once.scores["a"]).toBeLessThan(once.scores["b"] as number);
  });

  it("forecasts what some member knows, and leaves out what none does", async () => {
    const [one, two] = candidates.map(({ kernelId }) => kernelId) as [string, string];
    const { forecasts } = await ask([member("a", 5, [one]), member("b", 6, [one, two])]);
    expect(forecasts.map(({ kernelId }) => kernelId)).toEqual(candidates.slice(1).map(({ kernelId }) => kernelId));
    expect(forecasts[0]?.m).toBeCloseTo(5, 9);
  });

  it("lets a run count for more on a device that its recipes do not know", async () => {
    const members = [member("a", 6)];
    const outcomes = await outcomesOf(members, 16);
    const here = await ask(members, outcomes, syntheticDeviceInfo.name);
    const elsewhere = await ask(members, outcomes, "another");
    expect(here.forecasts[0]?.m).toBeLessThan(6);
    expect(elsewhere.forecasts[0]?.m).toBeLessThan(here.forecasts[0]?.m as number);
  });

  it("closes its members, and gives the reasons of one that has any", async () => {
    let closed = 0;
    const reasons = new Map([["k", [{ what: "loads", effect: 1 }]]]);
    const forecaster: Forecaster = {
      ...constant("a", 5),
      close: () => Promise.resolve(void closed++),
      explain: () => Promise.resolve(reasons as never),
    };
    const ensemble = createEnsembleForecaster({
      name: "e",
      members: [member("b", 6), { ...member("a", 5), forecaster }],
    });
    expect(await ensemble.explain?.(request)).toBe(reasons);
    await ensemble.close?.();
    expect(closed).toBe(1);
    expect("explain" in createEnsembleForecaster({ name: "e", members: [member("b", 6)] })).toBe(false);
  });

  it("stops when it is told to", async () => {
    const stopping: Forecaster = {
      name: "a",
      forecast: (_, signal) => {
        signal?.throwIfAborted();
        return Promise.resolve({ forecasts: [], cost: { cpuSeconds: 0, tokens: 0, usd: 0 } });
      },
    };
    const forecaster = createEnsembleForecaster({ name: "e", members: [{ ...member("a", 5), forecaster: stopping }] });
    await expect(forecaster.forecast(request, AbortSignal.abort())).rejects.toThrow(/abort/);
  });
});
