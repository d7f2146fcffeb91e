import { describe, expect, it } from "vitest";
import { forecastQuantile, makeKernel, type Anchor, type ForecastRequest, type Kernel } from "../../domain/index.ts";
import { syntheticDeviceInfo, syntheticTask } from "../../testing/synthetic.ts";
import { baselineKinds, constantPOk, constantPrior, createBaseline } from "./baseline-forecaster.ts";
import { fittedBaselines } from "./fitted.ts";
import { rooflineLog2Us } from "./roofline.ts";
import { log2Tokens } from "./source-length.ts";

const task = syntheticTask();
const device = syntheticDeviceInfo;

function kernelOf(source: string): Kernel {
  return makeKernel({ source, launches: task.seedKernel.launches, compileOptions: [] }, {});
}

function anchorOf(kernel: Kernel, us: number): Anchor {
  const { kernelId } = kernel;
  const runtime = { medianUs: us, p10Us: us, p90Us: us, n: 1, samplesUs: [] };
  const cost = { gpuSeconds: 0, cpuSeconds: 0 };
  return { kernel, measurement: { kernelId, device: device.name, status: "ok", runtime, cost } };
}

const short = kernelOf("void k() {}");
const long = kernelOf(`void k() { ${"a += 1; ".repeat(400)} }`);
const seed = anchorOf(task.seedKernel, 256);
const parent = anchorOf(kernelOf("void parent() {}"), 64);
const request: ForecastRequest = { task, device, anchors: [seed], candidates: [short, long] };

describe("baselines", () => {
  it.each(baselineKinds)("%s answers every candidate with the same p_ok and a proper distribution", async (kind) => {
    const { forecasts, cost } = await createBaseline(kind).forecast(request);
    expect(forecasts.map(({ kernelId }) => kernelId)).toEqual([short.kernelId, long.kernelId]);
    for (const forecast of forecasts) {
      expect(forecast.pOk).toBe(constantPOk);
      expect(forecastQuantile(forecast, 0.1)).toBeLessThan(forecastQuantile(forecast, 0.9));
    }
    expect(cost).toMatchObject({ tokens: 0, usd: 0 });
    await expect(createBaseline(kind).forecast(request, AbortSignal.abort())).rejects.toThrow(/abort/);
  });

  it("constant is the prior around the seed's time, whatever the first anchor", async () => {
    const { forecasts } = await createBaseline("constant").forecast({ ...request, anchors: [parent, seed] });
    for (const forecast of forecasts) expect(forecast).toMatchObject({ ...constantPrior, m: 8 + constantPrior.m });
  });

  it("anchor is the time of the first anchor, narrower where that is no seed", async () => {
    const atStart = await createBaseline("anchor").forecast(request);
    const inSearch = await createBaseline("anchor").forecast({ ...request, anchors: [parent, seed] });
    expect(atStart.forecasts[0]?.m).toBe(8);
    expect(inSearch.forecasts[0]?.m).toBe(6);
    expect(inSearch.forecasts[0]?.sigmaLow).toBeLessThan(atStart.forecasts[0]?.sigmaLow ?? 0);
  });

  it("length tells kernels apart by their tokens alone", async () => {
    const { slope } = fittedBaselines.length;
    const padded = kernelOf("void   k() /* nothing */ {}  // at all");
    const { forecasts } = await createBaseline("length").forecast({ ...request, candidates: [short, long, padded] });
    const [one, other, same] = forecasts.map(({ m }) => m) as [number, number, number];
    expect(other - one).toBeCloseTo(slope * (log2Tokens(long) - log2Tokens(short)), 12);
    expect(slope).not.toBe(0);
    expect(same).toBe(one);
  });

  it("roofline is the larger of the arithmetic's and the memory's time, whatever the kernel", async () => {
    const work = (flops: number, bytesMin: number) => ({ ...task, workload: { ...task.workload, flops, bytesMin } });
    expect(2 ** rooflineLog2Us(work(67e9, 3e6), device)).toBeCloseTo(1000, 6);
    expect(2 ** rooflineLog2Us(work(67e6, 3e9), device)).toBeCloseTo(1000, 6);
    expect(2 ** rooflineLog2Us({ ...work(989e9, 0), precisions: ["f32", "f16"] }, device)).toBeCloseTo(1000, 6);
    // Unstated work takes as long as an empty launch.
    expect(2 ** rooflineLog2Us(work(0, 0), device)).toBeCloseTo(4, 9);
    const { forecasts } = await createBaseline("roofline").forecast({ ...request, task: work(67e9, 3e6) });
    expect(forecasts.map(({ m }) => m)).toEqual(
      [Math.log2(1000), Math.log2(1000)].map((m) => expect.closeTo(m, 9) as number),
    );
  });

  it("have a scale even without an anchor", async () => {
    for (const kind of baselineKinds) {
      const { forecasts } = await createBaseline(kind).forecast({ ...request, anchors: [] });
      expect(forecasts.every(({ m }) => Number.isFinite(m))).toBe(true);
    }
  });
});
