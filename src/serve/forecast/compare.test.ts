import { describe, expect, it } from "vitest";
import { normalCdf, type Forecast } from "../../domain/index.ts";
import { probabilityOfWin, referenceUs, speedupQuantiles } from "./compare.ts";

const forecast: Forecast = { kernelId: "a", pOk: 0.8, m: 6, sigmaLow: 0.3, sigmaHigh: 0.4 };
const measured = (us: number) => ({ measured: true, us }) as const;
const forecastOf = (m: number, sigma = 0.3) =>
  ({ measured: false, forecast: { kernelId: "b", pOk: 0.5, m, sigmaLow: sigma, sigmaHigh: sigma } }) as const;

describe("the probability of a win", () => {
  it("is that of working and being 2 % faster than a measured kernel", () => {
    expect(probabilityOfWin(forecast, measured(1.02 * 64))).toBeCloseTo(0.4, 9);
    expect(probabilityOfWin(forecast, measured(1e6))).toBeGreaterThan(0.79);
    expect(probabilityOfWin(forecast, measured(1))).toBeLessThan(0.05);
  });

  it("weighs both forecasts against another kernel that was not measured", () => {
    const even = probabilityOfWin(
      { ...forecast, pOk: 1, sigmaLow: 0.3, sigmaHigh: 0.3 },
      forecastOf(6 + Math.log2(1.02)),
    );
    expect(even).toBeCloseTo(0.5, 3);
    const narrow = { ...forecast, pOk: 1, sigmaLow: 0.3, sigmaHigh: 0.3 };
    const ahead = probabilityOfWin(narrow, forecastOf(6.5 + Math.log2(1.02)));
    // Without the broad components: a difference of 0.5 over the width of both.
    expect(Math.abs(ahead - normalCdf(0.5 / Math.hypot(0.3, 0.3)))).toBeLessThan(0.02);
  });

  it("of certain forecasts is that against a measured kernel", () => {
    const sure = probabilityOfWin(forecast, forecastOf(6.2, 1e-3));
    expect(sure).toBeCloseTo(probabilityOfWin(forecast, measured(2 ** 6.2)), 1);
  });
});

describe("the speedup", () => {
  it("mirrors the runtime's distribution", () => {
    const { p10, p50, p90 } = speedupQuantiles(forecast, measured(128));
    expect(p50).toBeCloseTo(2, 9);
    expect(Math.log2(p10)).toBeCloseTo(1 - 1.2816 * 0.4, 9);
    expect(Math.log2(p90)).toBeCloseTo(1 + 1.2816 * 0.3, 9);
  });

  it("adds the doubt of a kernel that was not measured", () => {
    const { p10, p50, p90 } = speedupQuantiles(forecast, forecastOf(7));
    expect(p50).toBeCloseTo(2, 9);
    expect(Math.log2(p10)).toBeCloseTo(1 - 1.2816 * 0.5, 9);
    expect(Math.log2(p90)).toBeCloseTo(1 + 1.2816 * Math.hypot(0.3, 0.3), 9);
    expect(referenceUs(forecastOf(7))).toBe(128);
  });
});
