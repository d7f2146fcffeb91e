import { describe, expect, it } from "vitest";
import * as vitest from "vitest";
import { makeKernel, type Anchor, type Forecaster, type ForecastRequest, type Kernel } from "../../domain/index.ts";
import { forecasterContract, syntheticRequest } from "../../testing/index.ts";
import { adapted } from "./adapted-forecaster.ts";
import type { AdaptModel } from "./adapt-model.ts";

const model: AdaptModel = {
  format: "kernelcast-adapt-1",
  scales: { threads: 1, "threads per block": 1 },
  settings: [
    { reach: 0.5, text: 0.3, parameters: 0.3, noise: 0.02, logPrior: 0 },
    { reach: 0.5, text: 0, parameters: 0, noise: 3, logPrior: -1 },
  ],
  fittedOn: {
    recording: "r",
    split: "validation",
    device: "d",
    forecaster: { file: "static.json", sha256: "" },
    tasks: [],
  },
};

/** Says 100 µs of everything, ± a doubling, and counts what it was asked for. */
function flat(): Forecaster & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    name: "flat",
    asked,
    forecast: async ({ candidates, anchors }, signal) => {
      signal?.throwIfAborted();
      expect(anchors.length).toBeLessThanOrEqual(1);
      asked.push(...candidates.map(({ kernelId }) => kernelId));
      const m = Math.log2(100);
      return {
        forecasts: candidates.map(({ kernelId }) => ({ kernelId, pOk: 0.9, m, sigmaLow: 1, sigmaHigh: 1 })),
        cost: { cpuSeconds: 0, tokens: 0, usd: 0 },
      };
    },
  };
}

const bare = syntheticRequest([]);

/** The task's seed kernel with another width of its block. */
function wide(threads: number): Kernel {
  const { seedKernel } = bare.task;
  const launches = seedKernel.launches.map((launch) => ({ ...launch, block: [threads, 1, 1] as const }));
  return makeKernel({ ...seedKernel, launches }, bare.task.workload.sizes);
}

function measured(kernel: Kernel, us: number): Anchor {
  const runtime = { medianUs: us, p10Us: us, p90Us: us, n: 1, samplesUs: [] };
  const { kernelId } = kernel;
  const cost = { gpuSeconds: 0, cpuSeconds: 0 };
  return { kernel, measurement: { kernelId, device: bare.device.name, status: "ok", runtime, cost } };
}

const slow = [96, 100, 104, 108].map((threads) => measured(wide(threads), 400));
const request: ForecastRequest = {
  ...bare,
  anchors: [...bare.anchors, ...slow],
  candidates: [wide(102), wide(1)],
};

forecasterContract("adapted", { request, open: () => adapted(flat(), { model }) }, vitest);

describe("adapted", () => {
  it("is the forecaster alone where only the seed kernel was measured", async () => {
    const start = { ...request, anchors: bare.anchors };
    const answer = await adapted(flat(), { model }).forecast(start);
    expect(answer.forecasts).toEqual((await flat().forecast(start)).forecasts);
  });

  it("moves forecasts of kernels like those measured, and is surer of them", async () => {
    const { forecasts } = await adapted(flat(), { model }).forecast(request);
    const [near, far] = request.candidates.map(({ kernelId }) => forecasts.find((one) => one.kernelId === kernelId));
    expect(near?.m).toBeGreaterThan(Math.log2(300));
    expect(near?.m).toBeLessThan(Math.log2(401));
    expect(near?.sigmaLow).toBeLessThan(0.6);
    expect(far?.m).toBeLessThan(near?.m ?? 0);
    expect(far?.sigmaLow).toBeGreaterThan(near?.sigmaLow ?? 1);
    expect(near?.pOk).toBe(0.9);
  });

  it("gives the same answer to the last digit whatever the order of the anchors, and whatever it was asked before", async () => {
    const learner = adapted(flat(), { model });
    for (const count of [1, 3, 2]) {
      await learner.forecast({ ...request, anchors: [...bare.anchors, ...slow.slice(0, count)] });
    }
    const { forecasts } = await learner.forecast(request);
    const turned = { ...request, anchors: request.anchors.toReversed() };
    expect((await learner.forecast(turned)).forecasts).toEqual(forecasts);
    expect((await adapted(flat(), { model }).forecast(turned)).forecasts).toEqual(forecasts);
  });

  it("learns in the order of a run's outcomes, whose order changes no more than rounding", async () => {
    const outcomes = slow.map(({ kernel }) => ({ basis: { kernelId: kernel.kernelId, members: {} }, log2Us: 1 }));
    const plain = await adapted(flat(), { model }).forecast(request);
    const ordered = await adapted(flat(), { model }).forecast({ ...request, outcomes: outcomes.toReversed() });
    for (const [index, { m, sigmaLow }] of ordered.forecasts.entries()) {
      expect(m).toBeCloseTo(plain.forecasts[index]?.m ?? Number.NaN, 9);
      expect(sigmaLow).toBeCloseTo(plain.forecasts[index]?.sigmaLow ?? Number.NaN, 9);
    }
  });

  it("does not ask again for a candidate that was measured since", async () => {
    const base = flat();
    const learner = adapted(base, { model });
    const candidates = slow.map(({ kernel }) => kernel);
    await learner.forecast({ ...request, anchors: bare.anchors, candidates });
    const { forecasts } = await learner.forecast(request);
    expect(base.asked).toHaveLength(slow.length + request.candidates.length);
    expect(forecasts).toEqual((await adapted(flat(), { model }).forecast(request)).forecasts);
  });

  it("asks for each measured kernel once", async () => {
    const base = flat();
    const learner = adapted(base, { model });
    await learner.forecast({ ...request, anchors: request.anchors.slice(0, 3) });
    await learner.forecast(request);
    const ids = new Set(slow.map(({ kernel }) => kernel.kernelId));
    expect(base.asked.filter((id) => ids.has(id)).sort()).toEqual([...ids].sort());
  });

  it("tells a basis for every forecast, so that a run's outcomes come back in order", async () => {
    const { basis = [] } = await adapted(flat(), { model }).forecast(request);
    expect(basis.map(({ kernelId }) => kernelId)).toEqual(request.candidates.map(({ kernelId }) => kernelId));
  });
});
