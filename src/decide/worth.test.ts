import { describe, expect, it } from "vitest";
import { breakEvenSeconds, worthDocument, worthOfAsking, worthText } from "./worth.ts";

const asking = { forecasts: 160, usd: 0.32, avoided: 120, measurementSeconds: 2 };

describe("whether asking is worth it", () => {
  it("is where the spared device time costs what the forecasts do", () => {
    const worth = worthOfAsking(asking);
    expect(worth.usdPerForecast).toBeCloseTo(0.002, 12);
    expect(worth.usdPerAvoided).toBeCloseTo(0.32 / 120, 12);
    const price = worth.breakEvenUsdPerHour as number;
    // At that price the 120 measurements of 2 s cost what the forecasts did.
    expect((price * 120 * 2) / 3600).toBeCloseTo(0.32, 12);
    expect(breakEvenSeconds(worth, price)).toBeCloseTo(2, 12);
    expect(breakEvenSeconds(worth, 2 * price)).toBeCloseTo(1, 12);
    expect(worthText(worthDocument(worth, 2), 2)).toMatch(
      /0\.002 USD a forecast, .* less than 4\.8 USD an hour.* at 2 USD an hour.* 4\.8 s/,
    );
  });

  it("is at no price where nothing was spared, and at any where forecasts are free", () => {
    for (const avoided of [0, -3]) {
      const worth = worthOfAsking({ ...asking, avoided });
      expect(worth.breakEvenUsdPerHour).toBeUndefined();
      expect(worthText(worthDocument(worth))).toMatch(/at no price/);
    }
    const free = worthOfAsking({ ...asking, usd: 0 });
    expect(free.breakEvenUsdPerHour).toBe(0);
    expect(worthText(worthDocument(free))).toMatch(/no money/);
  });

  it("is not known where the price is not", () => {
    const worth = worthOfAsking({ ...asking, usd: undefined });
    expect(worthDocument(worth, 2)).toEqual({
      forecasts: 160,
      usd_per_forecast: null,
      avoided_measurements: 120,
      usd_per_avoided_measurement: null,
      measurement_seconds: 2,
      break_even_gpu_usd_per_hour: null,
      break_even_measurement_seconds: null,
    });
    expect(worthText(worthDocument(worth))).toMatch(/not known/);
  });
});
