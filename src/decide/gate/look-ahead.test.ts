import { describe, expect, it } from "vitest";
import { keyedStream, normalQuantile, type Forecast } from "../../domain/index.ts";
import { escalationWorth } from "./escalate.ts";
import { expectedGain, type Target } from "./gain.ts";
import { knowing, valueOfInformation } from "./look-ahead.ts";

const target: Target = { incumbentLog2Us: 6, winLog2: Math.log2(1.02) };
const forecast = (kernelId: string, m: number, pOk = 1, sigma = 0.4): Forecast => ({
  kernelId,
  pOk,
  m,
  sigmaLow: sigma,
  sigmaHigh: sigma,
});

describe("looking one measurement ahead", () => {
  it("finds no information where nothing is alike", () => {
    const forecasts = [forecast("a", 6), forecast("b", 6.2)];
    expect(valueOfInformation(forecasts, target, Float64Array.of(1, 0, 0, 1))).toEqual([0, 0]);
  });

  it("finds some where an unlikely winner tells of a likelier one, more the more they are alike", () => {
    const forecasts = [
      forecast("unlikely", 7.4, 1, 0.8),
      forecast("likelier", 6.5, 1, 0.8),
      forecast("other", 6, 1, 0.3),
    ];
    const of = (rho: number): number =>
      valueOfInformation(forecasts, target, Float64Array.of(1, rho, 0, rho, 1, 0, 0, 0, 1))[0] as number;
    expect(of(0.6)).toBeGreaterThan(0.001);
    expect(of(0.9)).toBeGreaterThan(of(0.6));
  });

  it("finds less than none where two would win or lose together: the second adds little to the first", () => {
    const forecasts = [forecast("a", 6.3), forecast("b", 6.3)];
    expect(valueOfInformation(forecasts, target, Float64Array.of(1, 0.9, 0.9, 1))[0]).toBeLessThan(0);
  });

  it("is what simulation finds", () => {
    const [own, other] = [forecast("a", 7.4, 1, 0.8), forecast("b", 6.5, 1, 0.8)];
    const rho = 0.9;
    const uniform = keyedStream("look-ahead");
    const third = forecast("c", 6, 1, 0.3);
    let sum = 0;
    const draws = 20_000;
    for (let draw = 0; draw < draws; draw++) {
      const error = normalQuantile(uniform());
      const y = own.m + error * own.sigmaLow;
      const after = y <= 6 - target.winLog2 ? { ...target, incumbentLog2Us: y } : target;
      const best = (mine: Forecast): number => Math.max(expectedGain(mine, after), expectedGain(third, after));
      sum += best(knowing(other, rho, error)) - best(other);
    }
    const [value] = valueOfInformation([own, other, third], target, Float64Array.of(1, rho, 0, rho, 1, 0, 0, 0, 1));
    expect(Math.abs((value as number) - sum / draws)).toBeLessThan(0.006);
    expect(Math.abs(sum / draws)).toBeGreaterThan(0.05);
  });

  it("narrows what is alike, and moves it with the error", () => {
    const known = knowing(forecast("a", 6), 0.6, -2);
    expect(known.m).toBeCloseTo(6 - 0.6 * 2 * 0.4, 12);
    expect(known.sigmaLow).toBeCloseTo(0.8 * 0.4, 12);
    expect(knowing(forecast("a", 6), 0, 3)).toEqual(forecast("a", 6));
  });
});

describe("asking a stronger surrogate", () => {
  it("is worth nothing where no answer could change the decision", () => {
    expect(escalationWorth(forecast("a", 3, 1, 0.05), target, 0.01, 0.5)).toBeLessThan(0.01);
    expect(escalationWorth(forecast("a", 9, 1, 0.05), target, 0.1, 0.5)).toBeLessThan(0.01);
    expect(escalationWorth(forecast("a", 6), target, 0, 0.5)).toBe(0);
  });

  it("is worth most at the border, and more the sharper the answer", () => {
    const border = forecast("a", 6.1);
    const alternative = expectedGain(border, target);
    const worth = escalationWorth(border, target, alternative, 0.5);
    expect(worth).toBeGreaterThan(0.1);
    expect(worth).toBeGreaterThan(escalationWorth(border, target, 4 * alternative, 0.5));
    expect(escalationWorth(border, target, alternative, 0.2)).toBeGreaterThan(worth);
    expect(escalationWorth(border, target, alternative, 1)).toBeCloseTo(0, 9);
  });
});
