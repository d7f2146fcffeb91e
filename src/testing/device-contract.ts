import {
  type Anchor,
  type Device,
  type Kernel,
  type MeasurementStatus,
  type MeasureRequest,
  type Task,
} from "../domain/index.ts";
import type { TestRunner } from "./run-store-contract.ts";

export interface DeviceFixture {
  readonly task: Task;
  /** Two different kernels that compile, run and agree. */
  readonly ok: readonly [Kernel, Kernel];
  /** A kernel that does not compile. */
  readonly compileError: Kernel;
  /** Kernels that fail on the device, with the status expected of each. */
  readonly failing: readonly { readonly kernel: Kernel; readonly status: MeasurementStatus }[];
  open(): Device | Promise<Device>;
}

type Expect = TestRunner["expect"];

/** One rule of the port, checked on an open device. */
interface Rule {
  readonly title: string;
  readonly check: (device: Device, fixture: DeviceFixture, expect: Expect) => Promise<void>;
}

/** The behaviour that every `Device` has. */
export function deviceContract(name: string, fixture: DeviceFixture, { describe, it, expect }: TestRunner): void {
  describe(`Device contract: ${name}`, () => {
    for (const { title, check } of rules) {
      it(title, async () => {
        const device = await fixture.open();
        try {
          await check(device, fixture, expect);
        } finally {
          await device.close();
          await device.close();
        }
      });
    }
  });
}

const rules: readonly Rule[] = [
  { title: "describes itself, the same each time", check: describesItself },
  { title: "compiles several kernels, a compile error being a value", check: compiles },
  { title: "measures a good kernel", check: measures },
  { title: "confirms a kernel against an anchor", check: confirms },
  { title: "gives failures as values and goes on", check: failsInValues },
  { title: "answers a repeated request with the same measurement", check: recognisesRequests },
  { title: "rejects what was cancelled and goes on", check: cancels },
];

async function describesItself(device: Device, _fixture: DeviceFixture, expect: Expect): Promise<void> {
  const info = await device.describe();
  expect(info.name.length > 0 && info.multiprocessors > 0 && info.bandwidth > 0).toBe(true);
  expect(await device.describe()).toEqual(info);
  expect(device.concurrency >= 1).toBe(true);
}

async function compiles(device: Device, { task, ok, compileError }: DeviceFixture, expect: Expect): Promise<void> {
  const outcomes = await device.compile(task, [ok[0], compileError]);
  const byId = new Map(outcomes.map((outcome) => [outcome.kernelId, outcome]));
  expect(byId.get(ok[0].kernelId)?.ok).toBe(true);
  const failed = byId.get(compileError.kernelId);
  expect(failed?.ok === false && isOneLine(failed.error)).toBe(true);
}

async function measures(device: Device, { task, ok }: DeviceFixture, expect: Expect): Promise<void> {
  const measurement = await device.measure(screen(task, ok[0]));
  expect(measurement.status).toBe("ok");
  expect(measurement.kernelId).toBe(ok[0].kernelId);
  if (measurement.status !== "ok") return;
  const { medianUs, p10Us, p90Us, n } = measurement.runtime;
  expect(p10Us <= medianUs && medianUs <= p90Us && p10Us > 0 && n >= 1).toBe(true);
  expect(measurement.cost.gpuSeconds >= 0 && measurement.cost.cpuSeconds >= 0).toBe(true);
}

async function confirms(device: Device, { task, ok }: DeviceFixture, expect: Expect): Promise<void> {
  const measured = await device.measure(screen(task, ok[0]));
  if (measured.status !== "ok") throw new Error(`the anchor failed: ${measured.error}`);
  const anchor: Anchor = { kernel: ok[0], measurement: measured };
  const measurement = await device.measure({ ...screen(task, ok[1]), mode: "confirm", anchor });
  expect(measurement.status).toBe("ok");
  if (measurement.status !== "ok" || !measurement.confirmation) throw new Error("no confirmation was given");
  const { anchorId, low, logRatio, high } = measurement.confirmation;
  expect(anchorId).toBe(ok[0].kernelId);
  expect(low <= logRatio && logRatio <= high).toBe(true);
}

async function failsInValues(device: Device, fixture: DeviceFixture, expect: Expect): Promise<void> {
  const { task, ok, compileError } = fixture;
  for (const { kernel, status } of [...fixture.failing, { kernel: compileError, status: "compile_error" }]) {
    const measurement = await device.measure(screen(task, kernel));
    expect(measurement.status).toBe(status);
    expect(measurement.status !== "ok" && isOneLine(measurement.error)).toBe(true);
  }
  expect((await device.measure(screen(task, ok[0]))).status).toBe("ok");
}

async function recognisesRequests(device: Device, { task, ok }: DeviceFixture, expect: Expect): Promise<void> {
  const request = screen(task, ok[0]);
  const [once, twice] = await Promise.all([device.measure(request), device.measure(request)]);
  expect(twice).toEqual(once);
  expect(await device.measure(request)).toEqual(once);
}

async function cancels(device: Device, { task, ok }: DeviceFixture, expect: Expect): Promise<void> {
  const rejected = await device.measure(screen(task, ok[0]), AbortSignal.abort()).then(
    () => false,
    () => true,
  );
  expect(rejected).toBe(true);
  expect((await device.measure(screen(task, ok[1]))).status).toBe("ok");
}

let requests = 0;

function screen(task: Task, kernel: Kernel): MeasureRequest {
  return { requestId: `contract-${++requests}`, task, kernel, mode: "screen" };
}

function isOneLine(text: string): boolean {
  return text.length > 0 && !text.includes("\n");
}
