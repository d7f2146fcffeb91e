import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import type { Runtime } from "./measurement.ts";
import {
  confirmedDifference,
  mainDevice,
  passDifference,
  recordedRuntimeUs,
  type RecordedMeasurement,
} from "./recording.ts";

function measured(...medians: readonly number[]): RecordedMeasurement {
  const [runtime, runtimePass2, runtimePass3] = medians.map((medianUs): Runtime => ({
    medianUs,
    p10Us: medianUs,
    p90Us: medianUs,
    n: 1,
    samplesUs: [],
  }));
  return {
    kernelId: "k",
    device: "d",
    status: "ok",
    ...(runtime ? { runtime } : {}),
    ...(runtimePass2 ? { runtimePass2 } : {}),
    ...(runtimePass3 ? { runtimePass3 } : {}),
  };
}

describe("recordedRuntimeUs", () => {
  it("is the geometric mean of two passes and the median of three", () => {
    expect(recordedRuntimeUs(measured(100))).toBe(100);
    expect(recordedRuntimeUs(measured(50, 200))).toBeCloseTo(100, 9);
    expect(recordedRuntimeUs({ ...measured(100), status: "incorrect" })).toBeUndefined();
    const microseconds = fc.double({ min: 1, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(microseconds, microseconds, microseconds), (three) => {
        const truth = recordedRuntimeUs(measured(...three)) as number;
        expect(three.filter((us) => us <= truth).length).toBeGreaterThanOrEqual(2);
        expect(three.filter((us) => us >= truth).length).toBeGreaterThanOrEqual(2);
      }),
    );
  });
});

describe("differences of passes", () => {
  it("are of the first two, and of the two that agree best once there are three", () => {
    expect(passDifference(measured(100))).toBeUndefined();
    expect(passDifference(measured(110, 100))).toBeCloseTo(0.1, 9);
    expect(confirmedDifference(measured(110, 100))).toBeCloseTo(0.1, 9);
    expect(confirmedDifference(measured(110, 100, 101))).toBeCloseTo(0.01, 9);
    expect(passDifference(measured(110, 100, 101))).toBeCloseTo(0.1, 9);
    expect(confirmedDifference(measured(100))).toBeUndefined();
  });
});

describe("mainDevice", () => {
  it("is the one that measured most, wherever it stands", () => {
    const recording = syntheticRecording({ kernels: 6, secondDevice: { name: "second", everyNth: 2 } });
    expect(mainDevice(recording)).toBe("synthetic");
    expect(mainDevice({ ...recording, devices: recording.devices.toReversed() })).toBe("synthetic");
    expect(mainDevice({ ...recording, devices: [] })).toBeUndefined();
  });
});
