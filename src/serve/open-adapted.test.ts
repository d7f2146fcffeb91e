import { describe, expect, it } from "vitest";
import { syntheticRequest } from "../testing/index.ts";
import { checkForecaster, openForecaster } from "./open-forecaster.ts";

describe("adapt:", () => {
  it.each(["adapt:static", "adapt:auto", "adapt:baseline:constant", "ensemble:adapted+compare"])("takes %s", (text) => {
    expect(() => checkForecaster(text)).not.toThrow();
  });

  it.each([
    ["adapt", /write what is to learn, for example adapt:static/],
    ["adapt:", /write what is to learn/],
    ["adapt:adapt:static", /write what is to learn/],
    ["adapt:compare", /compare learns from measured kernels by itself; adapt:auto/],
    ["adapt:ensemble:static+compare", /ensemble learns from measured kernels by itself/],
    ["adapt:statik", /unknown kind "statik"/],
  ])("refuses %s in one line", (text, message) => {
    expect(() => checkForecaster(text)).toThrow(message);
  });

  it.each(["adapt:static", "adapt:auto"])("opens %s, which forecasts with one anchor and with two", async (text) => {
    const forecaster = await openForecaster(text);
    const request = syntheticRequest();
    const [second, ...candidates] = request.candidates;
    const [seed] = request.anchors;
    if (!second || !seed) throw new Error("the request lacks kernels");
    const measurement = { ...seed.measurement, kernelId: second.kernelId };
    for (const anchors of [[seed], [seed, { kernel: second, measurement }]]) {
      const { forecasts } = await forecaster.forecast({ ...request, anchors, candidates });
      expect(forecasts.map(({ kernelId }) => kernelId)).toEqual(candidates.map(({ kernelId }) => kernelId));
    }
    expect(forecaster.name).toBe(text);
    await forecaster.close?.();
  });
});
