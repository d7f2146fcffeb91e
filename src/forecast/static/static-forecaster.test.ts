import { describe, expect, it } from "vitest";
import { makeKernel, type Anchor, type ForecastRequest, type Kernel } from "../../domain/index.ts";
import { forecasterContract } from "../../testing/index.ts";
import { h100, kernelOf, taskOf } from "./__fixtures__/small-tasks.ts";
import { featureGroups } from "./feature-words.ts";
import { featureNames } from "./features.ts";
import { loadStaticForecaster } from "./load-static-forecaster.ts";

const model = "models/static-v1.json";
const n = 1 << 22;
const task = taskOf("copy", n);
const anchor: Anchor = {
  kernel: task.seedKernel,
  measurement: {
    kernelId: task.seedKernel.kernelId,
    device: h100.name,
    status: "ok",
    runtime: { medianUs: 20, p10Us: 20, p90Us: 20, n: 1, samplesUs: [] },
    cost: { gpuSeconds: 0, cpuSeconds: 0 },
  },
};
const strided = kernelOf(
  `extern "C" __global__ void k(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int j = (i * 1024) % n;
  if (i < n) y[j] = 2.0f * x[j];
}
`,
  { grid: [n / 256, 1, 1], block: [256, 1, 1] },
  n,
);
const unreadable: Kernel = makeKernel({ ...strided, source: "no CUDA at all {" }, {});
const request: ForecastRequest = { task, device: h100, anchors: [anchor], candidates: [task.seedKernel, strided] };

forecasterContract("static", { request, open: () => loadStaticForecaster(model) }, { describe, it, expect });

describe("what moved a static forecast", () => {
  it("is told in words with both values, most first", async () => {
    const forecaster = await loadStaticForecaster(model);
    const reasons = (await forecaster.explain?.(request))?.get(strided.kernelId) ?? [];
    expect(reasons.length).toBeGreaterThan(2);
    expect(reasons.length).toBeLessThanOrEqual(5);
    const weights = reasons.map(({ log2Change, pOkChange }) => Math.abs(log2Change) + Math.abs(pOkChange));
    expect(weights).toEqual(weights.toSorted((x, y) => y - x));
    const slower = reasons.find(({ what }) => what === "modelled time in all");
    expect(slower?.log2Change).toBeGreaterThan(0.5);
    const [own = 0, seeds = 0] = [slower?.value, slower?.anchorValue].map((text) => Number.parseFloat(text ?? ""));
    expect(own).toBeGreaterThan(2 * seeds);
  });

  it("is nothing but the measured kernel for the seed itself, and nothing for what cannot be read", async () => {
    const forecaster = await loadStaticForecaster(model);
    const asked = { ...request, candidates: [task.seedKernel, unreadable] };
    const reasons = await forecaster.explain?.(asked);
    const [only, ...others] = reasons?.get(task.seedKernel.kernelId) ?? [];
    expect(only?.what).toMatch(/^measured kernels/);
    expect(others).toEqual([]);
    expect(reasons?.has(unreadable.kernelId)).toBe(false);
  });

  it("counts every feature once", () => {
    const indices = featureGroups.flatMap((group) => group.indices).sort((x, y) => x - y);
    expect(indices).toEqual(featureNames.map((_, index) => index));
    expect(featureGroups.every(({ words, show }) => words.length > 0 && show(1, 3).length > 0)).toBe(true);
    const time = featureGroups.find(({ words }) => words === "modelled time in device memory");
    expect(time?.show(-1, 3)).toBe("4 µs");
  });
});
