import { afterEach, describe, expect, it } from "vitest";
import { sha256Hex } from "../domain/index.ts";
import {
  screening,
  scriptedWorker,
  smallKernel,
  smallTask,
  type ScriptedWorker,
} from "../testing/fake-workers/scripted.ts";
import { WorkerDevice, type Receipt, type WorkerDeviceOptions } from "./worker-device.ts";

const opened: WorkerDevice[] = [];
const notes: string[] = [];

function open(worker: ScriptedWorker, options: Partial<WorkerDeviceOptions> = {}): WorkerDevice {
  const device = new WorkerDevice(
    { argv: worker.argv, env: worker.env, where: "the scripted worker" },
    {
      name: "local",
      lookAhead: 4,
      backOffMs: 1,
      graceMs: 500,
      closePatienceMs: 1000,
      onNote: (line) => notes.push(line),
      ...options,
    },
  );
  opened.push(device);
  return device;
}

afterEach(async () => {
  notes.length = 0;
  await Promise.all(opened.splice(0).map((device) => device.close()));
});

function counts(worker: ScriptedWorker): Record<string, number> {
  const methods = worker.log().map((line) => line.split(" ")[0] ?? "");
  return Object.fromEntries(methods.map((method) => [method, methods.filter((other) => other === method).length]));
}

describe("a worker that works", () => {
  it("describes, compiles and measures, and registers a task once", async () => {
    const worker = scriptedWorker("good");
    const device = open(worker);
    expect(await device.describe()).toMatchObject({ name: "Scripted GPU", l2Bytes: 5e7 });
    const kernels = [smallKernel("a"), smallKernel("b")];
    const outcomes = await device.compile(smallTask, kernels);
    expect(outcomes.map(({ kernelId, ok }) => [kernelId, ok])).toEqual(kernels.map(({ kernelId }) => [kernelId, true]));
    const measured = await Promise.all(kernels.map((kernel, index) => device.measure(screening(`r${index}`, kernel))));
    expect(measured.map(({ status }) => status)).toEqual(["ok", "ok"]);
    expect(counts(worker)).toEqual({ start: 1, hello: 1, describe: 1, compile: 1, task: 1, measure: 2 });
  });

  it("hands over receipts by content before the measurement is known", async () => {
    const receipts: Receipt[] = [];
    const device = open(scriptedWorker("good"), { onReceipt: (receipt) => receipts.push(receipt) });
    const measurement = await device.measure(screening("r1"));
    expect(receipts).toHaveLength(1);
    expect(JSON.parse(receipts[0]?.text ?? "")).toMatchObject({ request_id: "r1" });
    expect(measurement.receiptSha256).toBe(sha256Hex(receipts[0]?.text ?? ""));
  });

  it("makes launch geometry that does not evaluate a value, without asking", async () => {
    const worker = scriptedWorker("good");
    const device = open(worker);
    const bad = { ...smallKernel("bad"), launches: [{ ...smallKernel("bad").launches[0]!, smemBytes: "m" }] };
    expect(await device.measure(screening("r1", bad))).toMatchObject({
      status: "launch_error",
      error: /unknown name "m"/,
    });
    expect(await device.compile(smallTask, [bad])).toMatchObject([{ ok: false, error: /unknown name "m"/ }]);
  });

  it("stops waiting when aborted, and tells the worker", async () => {
    const worker = scriptedWorker("silent");
    const device = open(worker);
    const controller = new AbortController();
    const waiting = device.measure(screening("r1"), controller.signal);
    await expect.poll(() => worker.log().join()).toMatch(/measure/);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
    await expect.poll(() => worker.log().join()).toMatch(/cancel/);
  });

  it("fails what waits when closed, and starts nothing afterwards", async () => {
    const device = open(scriptedWorker("silent"), { closePatienceMs: 100 });
    const waiting = device.measure(screening("r1"));
    await device.greet();
    await Promise.all([device.close(), expect(waiting).rejects.toMatchObject({ code: "device" })]);
    await expect(device.measure(screening("r2"))).rejects.toThrow("the device was closed");
  });

  it("ends a worker that ignores its shutdown and SIGTERM", async () => {
    const device = open(scriptedWorker("stubborn"), { closePatienceMs: 100, graceMs: 100 });
    await device.greet();
    await expect(device.close()).resolves.toBeUndefined();
  });
});

describe("a worker that cannot be started", () => {
  it.each([
    ["exit-one", "No module named 'nothing'"],
    ["exit-zero", "exited with code 0"],
  ])("%s: one line after three tries", async (behaviour, said) => {
    const worker = scriptedWorker(behaviour);
    const failure = await open(worker)
      .measure(screening("r1"))
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "device", message: expect.stringContaining(said) as string });
    expect(String(failure)).toContain("3 times in a row");
    expect(String(failure).split("\n")).toHaveLength(1);
    expect(counts(worker)["start"]).toBe(3);
  });

  it("is not tried again when its program does not exist", async () => {
    const worker = { ...scriptedWorker("good"), argv: ["/no/such/python3"] as const };
    await expect(open(worker).greet()).rejects.toThrow(/^the worker could not be started: .* no such program$/);
  });

  it("is not tried again when it speaks another protocol", async () => {
    const worker = scriptedWorker("protocol");
    await expect(open(worker).greet()).rejects.toThrow("speaks protocol 99, but 1 is needed");
    expect(counts(worker)["start"]).toBe(1);
  });

  it("is given up when it never greets", async () => {
    const device = open(scriptedWorker("mute"), { helloTimeoutMs: 300, graceMs: 100 });
    await expect(device.greet()).rejects.toThrow("no answer to hello within 0.3 s");
  });

  it("may be preceded by a launcher's banner", async () => {
    await expect(open(scriptedWorker("banner")).measure(screening("r1"))).resolves.toMatchObject({ status: "ok" });
  });
});

describe("a worker that fails at work", () => {
  it("is restarted, and the request repeated with its id, when it dies once", async () => {
    const worker = scriptedWorker("die-once:1");
    const device = open(worker);
    expect(await device.compile(smallTask, [smallKernel("a")])).toMatchObject([{ ok: true }]);
    const compiles = worker.log().filter((line) => line.startsWith("compile"));
    expect(compiles).toHaveLength(2);
    expect(new Set(compiles).size).toBe(1);
    expect(notes.join()).toContain("exited with code 9");
  });

  it.each(["mid-line", "nonsense"])("%s: the kernel is crashed after three sends, in one line", async (behaviour) => {
    const worker = scriptedWorker(behaviour);
    const measurement = await open(worker, { lineLimit: 1 << 24 }).measure(screening("r1"));
    expect(measurement).toMatchObject({ status: "crashed", error: expect.stringMatching(/^crash: /) as string });
    expect(counts(worker)).toMatchObject({ start: 3, measure: 3 });
  });

  it("is restarted when it sends a line of 100 MB, of which no more than the limit is kept", async () => {
    const worker = scriptedWorker("huge-line:1");
    const measurement = await open(worker, { lineLimit: 1 << 20 }).measure(screening("r1"));
    expect(measurement.status).toBe("ok");
    expect(notes.join()).toContain("sent a line of 104857600 bytes");
  });

  it("blames the kernel that kills it, and measures those beside it", async () => {
    const worker = scriptedWorker("die-on:poison");
    const device = open(worker);
    const marks = ["a", "poison", "b", "c"];
    const measured = await Promise.all(marks.map((mark) => device.measure(screening(mark, smallKernel(mark)))));
    expect(measured.map(({ status }) => status)).toEqual(["ok", "crashed", "ok", "ok"]);
    expect(await device.measure(screening("d", smallKernel("d")))).toMatchObject({ status: "ok" });
    expect(counts(worker)["start"]).toBe(4);
  });

  it("is given up when it dies on every request", async () => {
    const device = open(scriptedWorker("die-once:1000"));
    await expect(device.describe()).rejects.toMatchObject({ code: "device" });
    await expect(device.describe()).rejects.toMatchObject({ code: "device" });
    await expect(device.describe()).rejects.toThrow(/died on each of 3 requests in a row/);
    await expect(device.measure(screening("r1"))).rejects.toThrow(/died on each of 3 requests in a row/);
  });

  it("is taken for hung when it says nothing", async () => {
    const measurement = await open(scriptedWorker("silent"), { silenceMs: 200 }).measure(screening("r1"));
    expect(measurement).toMatchObject({
      status: "crashed",
      error: expect.stringContaining("said nothing for 0.2 s") as string,
    });
  });

  it("is taken for hung when one answer does not come", async () => {
    const device = open(scriptedWorker("silent"), { timeouts: { measure: 200 } });
    expect(await device.measure(screening("r1"))).toMatchObject({
      error: expect.stringContaining("no answer to measure within 0.2 s") as string,
    });
  });

  it("may answer twice", async () => {
    const device = open(scriptedWorker("twice"));
    await expect(device.measure(screening("r1"))).resolves.toMatchObject({ status: "ok" });
    await expect(device.measure(screening("r2"))).resolves.toMatchObject({ status: "ok" });
  });

  it("is told the task again when it forgot it, but not for ever", async () => {
    const worker = scriptedWorker("forget");
    await expect(open(worker).measure(screening("r1"))).rejects.toMatchObject({ code: "device" });
    expect(counts(worker)).toMatchObject({ task: 3, measure: 3 });
  });

  it("breaks the protocol in one line when its result is no measurement", async () => {
    await expect(open(scriptedWorker("wrong")).measure(screening("r1"))).rejects.toThrow(
      /answer to measure is not of the protocol/,
    );
  });

  it.each([
    ["controls_failed", "device"],
    ["reference_failed", "task"],
  ])("refuses with %s: an error of kind %s", async (code, kind) => {
    await expect(open(scriptedWorker(`refuse:${code}`)).measure(screening("r1"))).rejects.toMatchObject({ code: kind });
  });
});
