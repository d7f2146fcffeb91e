import { describe, expect, it } from "vitest";
import { keyedUniform, type Forecast } from "../domain/index.ts";
import { rankPoints, reliabilityCurve, riskCurve } from "./curves.ts";
import type { JudgedTask } from "./judged-task.ts";
import { scoreTask } from "./score-task.ts";

/** Kernels that are each the child of the one before; the forecasts' widths are their errors. */
function judged(count: number, key: string): JudgedTask {
  const list = Array.from({ length: count }, (_, index) => {
    const kernelId = `k${index}`;
    const log2Us = 8 * keyedUniform(key, index);
    const error = keyedUniform(key, "error", index) - 0.5;
    const sigma = 0.01 + Math.abs(error);
    const forecast: Forecast = { kernelId, pOk: 1, m: log2Us + error, sigmaLow: sigma, sigmaHigh: sigma };
    return { kernelId, parentId: index === 0 ? null : `k${index - 1}`, templateId: undefined, forecast, log2Us };
  });
  const log2Us = new Map(list.map((one) => [one.kernelId, one.log2Us]));
  return { taskId: key, judged: list, log2Us, prior: { m: 4, sigmaLow: 2, sigmaHigh: 2 } };
}

describe("curves", () => {
  it("of risk end at the mean error, rise where the surest are best, and agree with the area", () => {
    const task = judged(200, "risk");
    const curve = riskCurve([task]);
    expect(curve.at(-1)).toEqual({ coverage: 1, risk: expect.closeTo(0.25, 1) as number });
    expect(curve.every(({ risk }, index) => risk >= (curve[index - 1]?.risk ?? 0))).toBe(true);
    const area = curve.reduce((sum, { risk }) => sum + risk, 0) / curve.length;
    expect(area).toBeCloseTo(scoreTask(task, 1).aurc as number, 2);
    expect(riskCurve([])).toEqual([]);
  });

  it("of reliability count every kernel with a parent once", () => {
    const bins = reliabilityCurve([judged(50, "a"), judged(30, "b")]);
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(49 + 29);
  });

  it("of ranks go from 0 to 1 on both sides, and are thinned evenly", () => {
    const all = rankPoints(judged(101, "ranks"), 1000);
    expect(all).toHaveLength(101);
    for (const side of ["forecast", "truth"] as const) {
      expect(all.map((point) => point[side]).toSorted((a, b) => a - b)).toEqual(
        all.map((_, index) => expect.closeTo(index / 100, 12) as number),
      );
    }
    const some = rankPoints(judged(101, "ranks"), 20);
    expect(some).toHaveLength(20);
    expect(some[0]?.truth).toBe(0);
    expect(some.at(-1)?.truth).toBeGreaterThan(0.9);
  });
});
