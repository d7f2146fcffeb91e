import { describe, expect, it } from "vitest";
import { forecastCrps, mean, recordedRuntimeUs, type RuntimeDistribution } from "../domain/index.ts";
import { syntheticDeviceInfo } from "../testing/synthetic.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { fitBaselines } from "./fit-baselines.ts";

const taskIds = ["synthetic-a", "synthetic-b"];
const recording = syntheticRecording({ kernels: 40 });
const fitted = fitBaselines(recording, { device: syntheticDeviceInfo, taskIds });

/** log2 of each working kernel's runtime over the seed's, by task. */
const targets = taskIds.map((taskId) => {
  const measurements = recording.measurements(taskId, syntheticDeviceInfo.name);
  const log2Us = (id: string): number => Math.log2(recordedRuntimeUs(measurements.get(id) as never) ?? Number.NaN);
  const seedId = recording.tasks.get(taskId)?.task.seedKernel.kernelId ?? "";
  return [...measurements.values()]
    .filter(({ status, kernelId }) => status === "ok" && kernelId !== seedId)
    .map(({ kernelId }) => log2Us(kernelId) - log2Us(seedId));
});

function crps(distribution: RuntimeDistribution): number {
  return mean(targets.map((list) => mean(list.map((value) => forecastCrps(distribution, value))) ?? 0)) ?? 0;
}

describe("fitting the baselines", () => {
  it("finds a constant that no small change makes better", () => {
    const best = crps(fitted.constant);
    for (const key of ["m", "sigmaLow", "sigmaHigh"] as const) {
      for (const change of [-0.05, 0.05]) {
        expect(crps({ ...fitted.constant, [key]: fitted.constant[key] + change })).toBeGreaterThan(best - 1e-6);
      }
    }
    expect(best).toBeLessThan(crps({ m: 0, sigmaLow: 1, sigmaHigh: 1 }));
  });

  it("fits widths alone around a time that is given", () => {
    expect([fitted.anchor.seed.m, fitted.anchor.other.m, fitted.roofline.m]).toEqual([0, 0, 0]);
    expect(fitted.anchor.seed.sigmaLow).toBeGreaterThan(0);
  });

  it("counts what it was fitted to", () => {
    expect(fitted.trainedOn).toEqual({ recording: "synthetic", device: "synthetic", tasks: 2, kernels: 78 });
    expect(fitted.pOk).toBeCloseTo(36 / 39, 3);
  });

  it("says so where there is nothing to fit to", () => {
    expect(() => fitBaselines(recording, { device: syntheticDeviceInfo, taskIds: ["absent"] })).toThrow(
      /no measured tasks to fit to on synthetic/,
    );
  });
});
