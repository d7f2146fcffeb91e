import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeKernel, type Recording } from "../domain/index.ts";
import { recordedProposer } from "../propose/recorded-proposer.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { checkRecording } from "./check-recording.ts";
import { deviceAgreement } from "./device-agreement.ts";
import { loadRecording } from "./load-recording.ts";
import { makeRecording, recordingContents } from "./make-recording.ts";
import { mergeRecordings } from "./merge-recordings.ts";
import { randomOrderNeeds } from "./random-order.ts";
import { recordingInfo } from "./recording-info.ts";
import { writeRecording } from "./write-recording.ts";

const whole = syntheticRecording({ kernels: 120, secondDevice: { name: "second", everyNth: 3 } });

/** The measurements of one device. */
function only(device: string): Recording {
  const contents = recordingContents(whole);
  return makeRecording({
    ...contents,
    measurements: contents.measurements.filter((measurement) => measurement.device === device),
    devices: (contents.devices ?? []).filter(({ name }) => name === device),
  });
}

describe("a recording of two devices", () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

  it("is counted by device, and is looked at by the one that measured most", () => {
    const info = recordingInfo(whole);
    expect(info).toMatchObject({ mainDevice: "synthetic", kernels: 240, measured: 240 });
    expect(info.devices["second"]).toMatchObject({ measured: 80, ok: 62, failed: 18, passes: { kernels: 62 } });
    expect(info.byTask[0]).toMatchObject({ measured: 120 });
    const turned = recordingInfo({ ...whole, devices: whole.devices.toReversed() });
    expect(turned).toMatchObject({ mainDevice: "synthetic", byTask: info.byTask });
  });

  it("is sound, and is read back as it was written", async () => {
    expect(checkRecording(whole)).toEqual([]);
    const folder = await mkdtemp(join(tmpdir(), "kernelcast-devices-"));
    folders.push(folder);
    await writeRecording(folder, whole);
    const read = await loadRecording(folder);
    expect(read.devices).toEqual(["synthetic", "second"]);
    expect([...(read.deviceInfos?.keys() ?? [])]).toEqual(["synthetic", "second"]);
    for (const device of whole.devices) {
      expect(read.measurements("synthetic-a", device)).toEqual(whole.measurements("synthetic-a", device));
    }
  });

  it("is the sum of one recording per device, in any order", () => {
    const forth = mergeRecordings([only("synthetic"), only("second")], "m").recording;
    const back = mergeRecordings([only("second"), only("synthetic")], "m").recording;
    for (const merged of [forth, back]) {
      expect(recordingInfo(merged)).toMatchObject({ mainDevice: "synthetic", measured: 240 });
      for (const device of whole.devices) {
        expect(merged.measurements("synthetic-b", device)).toEqual(whole.measurements("synthetic-b", device));
      }
    }
  });

  it("lets a search on the smaller device see that device's kernels alone", async () => {
    const task = whole.tasks.get("synthetic-a")?.task;
    if (!task) throw new Error("no task");
    const measured = whole.measurements("synthetic-a", "second");
    const measurement = {
      kernelId: task.seedKernel.kernelId,
      device: "second",
      status: "ok",
      runtime: measured.get(task.seedKernel.kernelId)?.runtime as never,
      cost: { gpuSeconds: 0, cpuSeconds: 0 },
    } as const;
    const parent = { kernel: task.seedKernel, measurement };
    const { candidates, exhausted } = await recordedProposer(whole, "synthetic-a", { device: "second" }).propose({
      task,
      parent,
      firstIndex: 0,
      count: 1000,
      seed: 1,
    });
    expect(exhausted).toBe(true);
    expect(candidates).toHaveLength(39);
    expect(candidates.every(({ kernel }) => measured.has(kernel.kernelId))).toBe(true);
  });
});

describe("deviceAgreement", () => {
  it("compares ranks, verdicts and runtimes", () => {
    const { kernels, otherVerdict, spearman, pairwise, ratio, byTask } = deviceAgreement(whole, "synthetic", "second");
    expect([kernels, otherVerdict, byTask.length]).toEqual([80, 0, 2]);
    // The second device's runtimes are the first one's times 0.7 to 0.8.
    expect(spearman).toBeGreaterThan(0.98);
    expect(spearman).toBeLessThan(1);
    expect(pairwise).toBeGreaterThan(0.98);
    expect(ratio).toBeGreaterThan(0.72);
    expect(ratio).toBeLessThan(0.78);
    const itself = deviceAgreement(whole, "second", "second");
    expect(itself).toMatchObject({ kernels: 80, ratio: 1, pairwise: 1 });
    expect(itself.spearman).toBeCloseTo(1, 12);
  });

  it("counts kernels that only one of the devices finds ok", () => {
    const contents = recordingContents(whole);
    const changed = contents.measurements.map((measurement) =>
      measurement.device === "second" && measurement.status !== "ok"
        ? { ...measurement, status: "timeout" as const }
        : measurement,
    );
    const { otherVerdict } = deviceAgreement(
      makeRecording({ ...contents, measurements: changed }),
      "synthetic",
      "second",
    );
    expect(otherVerdict).toBe(18);
  });
});

describe("randomOrderNeeds", () => {
  const kernel = (index: number) =>
    makeKernel(
      {
        source: `// ${index}`,
        launches: [{ kernel: "k", grid: [1, 1, 1], block: [1, 1, 1], smemBytes: 0, args: [] }],
        compileOptions: [],
      },
      {},
    );
  const pass = (medianUs: number) => ({ medianUs, p10Us: medianUs, p90Us: medianUs, n: 1, samplesUs: [] });
  const runtimes = (values: readonly number[]): Recording => {
    const contents = recordingContents(syntheticRecording({ taskIds: ["t"], kernels: 1 }));
    return makeRecording({
      ...contents,
      kernels: values.map((_, index) => ({ kernel: kernel(index), taskId: "t", parentId: null })),
      measurements: values.map((us, index) => ({
        kernelId: kernel(index).kernelId,
        device: "d",
        status: "ok",
        runtime: pass(us),
      })),
    });
  };

  it("is 1 where all are good, and half of them where one is", () => {
    expect(randomOrderNeeds(runtimes([100, 101, 104]), "t", "d")).toBe(1);
    const one = randomOrderNeeds(runtimes([50, ...Array.from({ length: 98 }, () => 100)]), "t", "d") as number;
    expect(Math.abs(one - 50)).toBeLessThan(4);
    expect(randomOrderNeeds(runtimes([100]), "t", "another")).toBeUndefined();
  });
});
