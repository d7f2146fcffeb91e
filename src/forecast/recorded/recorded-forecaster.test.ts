import { describe, expect, it } from "vitest";
import type { RecordedForecast } from "../../domain/index.ts";
import { forecasterContract, syntheticRequest } from "../../testing/index.ts";
import { recordedForecaster } from "./recorded-forecaster.ts";

const request = syntheticRequest();
const [a = "", b = "", c = ""] = request.candidates.map(({ kernelId }) => kernelId);
const seedId = request.task.seedKernel.kernelId;

function made(kernelId: string, m: number, more: Partial<RecordedForecast> = {}): RecordedForecast {
  const forecast = { kernelId, pOk: 0.9, m, sigmaLow: 0.2, sigmaHigh: 0.3 };
  return { forecaster: "someone", forecast, anchorIds: [seedId], ...more };
}

const all = [made(a, 6), made(b, 7), made(c, 8)];

forecasterContract(
  "recorded",
  { request, open: () => recordedForecaster(all, { where: "forecasts.jsonl" }) },
  { describe, it, expect },
);

async function medians(forecasts: readonly RecordedForecast[], name?: string): Promise<Record<string, number>> {
  const forecaster = recordedForecaster(forecasts, { where: "f.jsonl", name });
  const answer = await forecaster.forecast(request);
  return Object.fromEntries(answer.forecasts.map(({ kernelId, m }) => [kernelId, m]));
}

describe("a recorded forecaster", () => {
  it("leaves out kernels without a forecast", async () => {
    expect(await medians([made(a, 6)])).toEqual({ [a]: 6 });
  });

  it("takes the forecast whose anchors the request has, the more the better, else the first", async () => {
    const other = { anchorIds: ["other"] };
    const none = { anchorIds: [] };
    expect(await medians([made(a, 1, other), made(a, 2, none), made(a, 3), made(a, 4)])).toEqual({ [a]: 3 });
    expect(await medians([made(a, 1, other), made(a, 2, none)])).toEqual({ [a]: 2 });
    expect(await medians([made(a, 1, other), made(a, 2, { anchorIds: [seedId, "other"] })])).toEqual({ [a]: 1 });
  });

  it("takes forecasts for the request's device, and those that name none", async () => {
    const own = { device: request.device.name };
    const foreign = { device: "another" };
    expect(await medians([made(a, 1, foreign), made(a, 2, own), made(b, 3), made(c, 4, foreign)])).toEqual({
      [a]: 2,
      [b]: 3,
    });
  });

  it("charges what the forecasts cost when they were made", async () => {
    const forecaster = recordedForecaster(
      [
        made(a, 1, { tokens: 100, usd: 0.5 }),
        made(a, 2, { tokens: 1e6 }),
        made(b, 3, { tokens: 10.5 }),
        made("x", 3, { usd: 9 }),
      ],
      { where: "f.jsonl" },
    );
    expect((await forecaster.forecast(request)).cost).toEqual({ cpuSeconds: 0, tokens: 110.5, usd: 0.5 });
  });

  it("needs a name where several forecasters are", async () => {
    const two = [...all, made(a, 3, { forecaster: "other" })];
    expect(() => recordedForecaster(two, { where: "f.jsonl" })).toThrow(
      /name one with recorded:f\.jsonl#NAME \(someone, other\)/,
    );
    expect(() => recordedForecaster(two, { where: "f.jsonl", name: "othr" })).toThrow(
      /no forecast by "othr".*did you mean other\?/,
    );
    expect(() => recordedForecaster([], { where: "f.jsonl" })).toThrow(/there is no forecast in it/);
    expect(await medians(two, "other")).toEqual({ [a]: 3 });
  });
});
