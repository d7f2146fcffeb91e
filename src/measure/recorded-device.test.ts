import { describe, expect, it } from "vitest";
import {
  recordedRuntimeUs,
  type Kernel,
  type MeasureRequest,
  type OkMeasurement,
  type Runtime,
  type RecordedMeasurement,
  type Recording,
  type Task,
} from "../domain/index.ts";
import { deviceContract } from "../testing/device-contract.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { recordedConfirmation } from "./recorded-confirmation.ts";
import { recordedDevice } from "./recorded-device.ts";

const recording = syntheticRecording({ kernels: 60 });
const taskId = "synthetic-a";
const task = recording.tasks.get(taskId)?.task as Task;
const kernels = recording.kernels(taskId).map(({ kernel }) => kernel);
const recorded = recording.measurements(taskId, "synthetic");
const ofStatus = (status: string): Kernel =>
  kernels.find(({ kernelId }) => recorded.get(kernelId)?.status === status) as Kernel;
const [first, second] = kernels as [Kernel, Kernel];

deviceContract(
  "recorded",
  {
    task,
    ok: [first, second],
    compileError: ofStatus("compile_error"),
    failing: [{ kernel: ofStatus("incorrect"), status: "incorrect" }],
    open: () => recordedDevice(recording),
  },
  { describe, it, expect },
);

const request = (kernel: Kernel): MeasureRequest => ({ requestId: "r", task, kernel, mode: "screen" });

describe("recordedDevice", () => {
  it("screens with the first pass and confirms with both", async () => {
    const device = recordedDevice(recording);
    const screened = (await device.measure(request(first))) as OkMeasurement;
    expect(screened.runtime).toEqual(recorded.get(first.kernelId)?.runtime);
    expect(screened.cost).toEqual({ gpuSeconds: 0.025, cpuSeconds: 0.04 });
    const anchor = { kernel: first, measurement: screened };
    const confirmed = (await device.measure({ ...request(second), mode: "confirm", anchor })) as OkMeasurement;
    const truth = recordedRuntimeUs(recorded.get(second.kernelId) as RecordedMeasurement) as number;
    expect(confirmed.runtime.medianUs).toBeCloseTo(truth, 9);
    expect(confirmed.runtime.n).toBe(10);
    expect(confirmed.confirmation?.logRatio).toBeCloseTo(
      Math.log2(truth / (recordedRuntimeUs(recorded.get(first.kernelId) as RecordedMeasurement) as number)),
      9,
    );
    expect(confirmed.cost.gpuSeconds).toBeCloseTo(0.1, 9);
  });

  it("estimates what measuring cost where the recording does not say", async () => {
    const bare = recorded.get(first.kernelId) as RecordedMeasurement;
    const { gpuMs: _gpuMs, evidence: _evidence, ...rest } = bare;
    const device = recordedDevice({ ...recording, measurements: () => new Map([[first.kernelId, rest]]) });
    const { cost } = await device.measure(request(first));
    expect(cost.gpuSeconds).toBeGreaterThan(0);
    expect(cost.cpuSeconds).toBeGreaterThan(0);
  });

  it("takes three passes together by their middle one", async () => {
    const disagreeing = recorded.get(second.kernelId) as RecordedMeasurement;
    const pass = (medianUs: number): Runtime => ({ medianUs, p10Us: medianUs, p90Us: medianUs, n: 5, samplesUs: [] });
    const three = { ...disagreeing, runtime: pass(130), runtimePass2: pass(100), runtimePass3: pass(101) };
    const anchored = recorded.get(first.kernelId) as RecordedMeasurement;
    const measured = new Map([three, anchored].map((one) => [one.kernelId, one]));
    const device = recordedDevice({ ...recording, measurements: () => measured });
    const anchor = { kernel: first, measurement: (await device.measure(request(first))) as OkMeasurement };
    const confirmed = (await device.measure({ ...request(second), mode: "confirm", anchor })) as OkMeasurement;
    expect(confirmed.runtime).toMatchObject({ medianUs: 101, n: 15 });
    expect(((await device.measure(request(second))) as OkMeasurement).runtime.medianUs).toBe(130);
    const logRatio = Math.log2(101 / (recordedRuntimeUs(anchored) as number));
    expect(confirmed.confirmation?.logRatio).toBeCloseTo(logRatio, 9);
    const { low = 0, high = 0 } = confirmed.confirmation ?? {};
    expect(low).toBeLessThan(logRatio);
    expect(high - logRatio).toBeGreaterThan(Math.log2(101 / 100) / 2);
  });

  it("throws for a kernel that was not measured", async () => {
    const stranger = { ...first, kernelId: "stranger" };
    await expect(recordedDevice(recording).measure(request(stranger))).rejects.toThrow(
      /kernel stranger of task synthetic-a was not measured on synthetic/,
    );
  });

  it("finds a device by a part of its name", async () => {
    const measured = syntheticRecording({ secondDevice: { name: "NVIDIA H200", everyNth: 3 } });
    const two: Recording = {
      ...measured,
      devices: ["NVIDIA H200", "NVIDIA H100 80GB HBM3"],
      deviceInfos: new Map(),
      measurements: (id, name) => measured.measurements(id, name === "NVIDIA H200" ? name : "synthetic"),
    };
    const name = async (device?: string): Promise<string> =>
      (await recordedDevice(two, device === undefined ? {} : { device }).describe()).name;
    expect(await name()).toBe("NVIDIA H100 80GB HBM3");
    expect(await name("h200")).toBe("NVIDIA H200");
    expect(() => recordedDevice(two, { device: "NVIDIA" })).toThrow(/fits several devices/);
    expect(() => recordedDevice(two, { device: "A100" })).toThrow(
      /is not in the recording \(it has: NVIDIA H200, NVIDIA H100/,
    );
    expect(() => recordedDevice({ ...two, devices: [] })).toThrow(/no measurements/);
    expect((await recordedDevice(two, { device: "H200" }).describe()).bandwidth).toBeGreaterThan(4e12);
  });
});

describe("recordedConfirmation", () => {
  const pass = (medianUs: number) => ({ medianUs, p10Us: medianUs, p90Us: medianUs, n: 5, samplesUs: [] });
  const measurement = (kernelId: string, a: number, b: number): RecordedMeasurement => ({
    kernelId,
    device: "d",
    status: "ok",
    runtime: pass(a),
    runtimePass2: pass(b),
  });

  it("widens with the disagreement of the passes", () => {
    const tight = recordedConfirmation(measurement("k", 50, 50), measurement("a", 100, 100));
    const wide = recordedConfirmation(measurement("k", 49, 51), measurement("a", 100, 100));
    expect(tight).toMatchObject({ anchorId: "a", logRatio: -1, low: -1.0005, high: -0.9995, blocks: 2 });
    expect(wide.high - wide.low).toBeCloseTo(1.96 * Math.log2(51 / 49), 6);
  });

  it("is a tie of a kernel with itself", () => {
    const same = measurement("a", 49, 51);
    expect(recordedConfirmation(same, same)).toMatchObject({ logRatio: 0, low: -0.0005, high: 0.0005 });
  });
});
