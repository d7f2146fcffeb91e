import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeKernel, type DeviceInfo, type Forecast, type Kernel, type OkMeasurement } from "../../src/domain/index.ts";
import { loadStaticForecaster } from "../../src/forecast/static/load-static-forecaster.ts";
import { loadRecording } from "../../src/formats/load-recording.ts";

const recording = await loadRecording("atlas");
const [deviceName = ""] = recording.devices;
const device = recording.deviceInfos?.get(deviceName) as DeviceInfo;
const forecaster = await loadStaticForecaster("models/static-v1.json");
const taskIds = [...recording.tasks.keys()];

/** What a hand that slips, or a model that goes astray, does to a source. `from` and `length` are shares of it. */
interface Slip {
  readonly kind: "delete" | "repeat" | "insert" | "swap" | "number" | "truncate";
  readonly from: number;
  readonly length: number;
  readonly text: string;
}

const slips: fc.Arbitrary<Slip> = fc.record({
  kind: fc.constantFrom("delete", "repeat", "insert", "swap", "number", "truncate"),
  from: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.double({ min: 0, max: 0.2, noNaN: true }),
  text: fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("{", "}", "(", "for (;;) ", "#define N ", "/*", '"', "\\\n", "0x", "1e999", "while (1);", "[", "?"),
  ),
});

function slip(source: string, { kind, from, length, text }: Slip): string {
  const start = Math.floor(from * source.length);
  const end = Math.min(source.length, start + Math.ceil(length * source.length));
  const [before, part, after] = [source.slice(0, start), source.slice(start, end), source.slice(end)];
  const slipped: Readonly<Record<Slip["kind"], string>> = {
    delete: before + after,
    repeat: before + part + part + after,
    insert: before + text + part + after,
    swap: after + part + before,
    number: before + part.replace(/\d+/g, "2147483647") + after,
    truncate: before,
  };
  return slipped[kind];
}

function damaged(taskId: string, place: number, changes: readonly Slip[]): Kernel {
  const kernels = recording.kernels(taskId);
  const { kernel } = kernels[place % kernels.length] as (typeof kernels)[number];
  const { sizes = {} } = recording.tasks.get(taskId)?.task.workload ?? {};
  return makeKernel({ ...kernel, source: changes.reduce(slip, kernel.source) }, sizes);
}

function expectProper(forecast: Forecast | undefined): void {
  expect(forecast?.pOk).toBeGreaterThan(0);
  expect(forecast?.pOk).toBeLessThan(1);
  expect(forecast?.sigmaLow).toBeGreaterThan(0);
  expect(forecast?.sigmaHigh).toBeGreaterThan(0);
  expect([forecast?.m, forecast?.sigmaLow, forecast?.sigmaHigh].every(Number.isFinite)).toBe(true);
}

async function forecastOf(taskId: string, kernel: Kernel): Promise<Forecast | undefined> {
  const task = recording.tasks.get(taskId)?.task;
  if (!task) throw new Error(`no task ${taskId}`);
  const { kernelId } = task.seedKernel;
  const runtime = recording.measurements(taskId, deviceName).get(kernelId)?.runtime;
  if (!runtime) throw new Error(`the seed of ${taskId} is not measured`);
  const measurement: OkMeasurement = {
    kernelId,
    device: deviceName,
    status: "ok",
    runtime,
    cost: { gpuSeconds: 0, cpuSeconds: 0 },
  };
  const anchors = [{ kernel: task.seedKernel, measurement }];
  return (await forecaster.forecast({ task, device, anchors, candidates: [kernel] })).forecasts[0];
}

describe("the static forecaster on damaged sources", () => {
  it("always answers with a proper distribution", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...taskIds),
        fc.nat(),
        fc.array(slips, { minLength: 1, maxLength: 4 }),
        async (taskId, place, changes) => {
          const kernel = damaged(taskId, place, changes);
          const forecast = await forecastOf(taskId, kernel);
          expect(forecast?.kernelId).toBe(kernel.kernelId);
          expectProper(forecast);
        },
      ),
      { numRuns: 150, seed: 20261126 },
    );
  });
});
