import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { topK } from "../decide/policies.ts";
import type { Forecaster, ForecastRequest, RecordedKernel, RecordedMeasurement, Recording } from "../domain/index.ts";
import { makeRecording } from "../formats/make-recording.ts";
import { writeRecording } from "../formats/write-recording.ts";
import { recordedDevice } from "../measure/recorded-device.ts";
import { recordedProposer } from "../propose/recorded-proposer.ts";
import { runSearch } from "../search/run-search.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { syntheticForecaster, syntheticTask } from "../testing/synthetic.ts";
import { searchTask, type SearchResult } from "./search-task.ts";

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

interface Wanted {
  readonly taskId?: string;
  readonly kernels?: number;
  /** Device and the kernels that it measured, as a range; the last is the fastest. */
  readonly measured?: Readonly<Record<string, readonly [number, number]>>;
  readonly failing?: readonly number[];
}

function recordingOf({ taskId = "t", kernels = 20, measured = { a: [0, 20] }, failing = [] }: Wanted): Recording {
  const { seedKernel: _seedKernel, ...task } = syntheticTask(taskId);
  const recorded = Array.from({ length: kernels }, (_, index): RecordedKernel => {
    const source = `extern "C" __global__ void k(float* out, int n) { out[threadIdx.x % n] = ${index}; }`;
    const launches = [
      { kernel: "k", grid: [1, 1, 1], block: [64, 1, 1], smemBytes: 0, args: ["out", { i32: 64 }] },
    ] as const;
    return {
      kernel: { kernelId: `kernel-${index}`, source, launches, compileOptions: [] },
      taskId,
      parentId: index === 0 ? null : "kernel-0",
      idea: "SECRET idea",
      origin: "SECRET origin",
      templateId: "SECRET template",
    };
  });
  const measurements = Object.entries(measured).flatMap(([device, [from, to]]) =>
    recorded.slice(from, to).map(({ kernel: { kernelId } }, index): RecordedMeasurement => {
      const us = Math.round(100 * 0.95 ** index);
      if (failing.includes(from + index)) return { kernelId, device, status: "incorrect" };
      return { kernelId, device, status: "ok", runtime: { medianUs: us, p10Us: us, p90Us: us, n: 1, samplesUs: [] } };
    }),
  );
  return makeRecording({ name: "r", tasks: [{ ...task, taskId }], kernels: recorded, measurements });
}

async function search(
  wanted: Wanted,
  more: { task?: string; device?: string; policy?: string } = {},
): Promise<SearchResult> {
  const folder = await mkdtemp(join(tmpdir(), "kernelcast-foreign-search-"));
  folders.push(folder);
  await writeRecording(join(folder, "recording"), recordingOf(wanted), { format: "jsonl" });
  return searchTask({
    task: more.task ?? wanted.taskId ?? "t",
    device: `recorded:${join(folder, "recording")}${more.device ?? ""}`,
    policy: more.policy ?? "random-subset",
    forecaster: "static",
    budget: { measurements: 12 },
    seed: 1,
    workspace: join(folder, "workspace"),
  });
}

describe("searches on foreign recordings", () => {
  it.each(["level1/23 softmax", "../../outside", "é"])("takes any task id, such as %s", async (taskId) => {
    const result = await search({ taskId });
    expect(result).toMatchObject({ task: taskId, stopped: "measurements" });
    const folder = folders.at(-1) ?? "";
    expect(relative(join(folder, "workspace"), result.report)).not.toMatch(/^\.\./);
  });

  it("means the recording's task by an id that is also of a shipped one", async () => {
    const result = await search({ taskId: "softmax-f32" });
    expect(result.seed_kernel).toEqual({ kernel_id: "kernel-0", runtime_us: 100 });
  });

  it("starts on each device from a kernel that is ok there", async () => {
    const measured = { a: [0, 10], b: [8, 20] } as const;
    expect((await search({ measured }, { device: "#b" })).seed_kernel.kernel_id).toBe("kernel-8");
    expect((await search({ measured }, { device: "#a" })).seed_kernel.kernel_id).toBe("kernel-0");
    expect((await search({ failing: [0, 1] })).seed_kernel.kernel_id).toBe("kernel-2");
  });

  it.each(["top-k", "random-subset", "measure-all"])(
    "spends its measurements under %s while kernels are left, and says when none are",
    async (policy) => {
      const all = await search({ kernels: 13, measured: { a: [0, 13] } }, { policy });
      expect(all).toMatchObject({ measured: 12, stopped: "measurements" });
      expect(all.considered).toBe(all.measured - 1 + all.skipped + all.duplicates);
      const few = await search({ kernels: 9, measured: { a: [0, 9] } }, { policy });
      expect(few).toMatchObject({ measured: 9, skipped: 0, stopped: "no-more-proposals" });
      expect(few.best).toMatchObject({ kernel_id: "kernel-8", confirmed: true });
      const none = await search({ kernels: 9, measured: { a: [0, 9] }, failing: [1, 2, 3, 4, 5, 6, 7, 8] }, { policy });
      expect(none).toMatchObject({ measured: 9, failed: 8, stopped: "no-more-proposals", best: { speedup: 1 } });
    },
  );

  it("says which devices measured a task that the chosen one did not", async () => {
    const recording = recordingOf({ measured: { b: [0, 20] } });
    const device = recordedDevice({ ...recording, devices: ["a", "b"] }, { device: "a" });
    const task = recording.tasks.get("t")?.task as never;
    const request = {
      requestId: "1",
      task,
      kernel: recording.kernels("t")[0]?.kernel as never,
      mode: "screen",
    } as const;
    await expect(device.measure(request)).rejects.toThrow(
      /no kernel of task t was measured on a .*recorded:r#DEVICE \(b\)/,
    );
  });

  it("never shows idea, origin or template to a forecaster", async () => {
    const recording = recordingOf({});
    const requests: ForecastRequest[] = [];
    const inner = syntheticForecaster();
    const forecaster: Forecaster = {
      name: "spy",
      forecast: (request, signal) => {
        requests.push(request);
        return inner.forecast(request, signal);
      },
    };
    const task = recording.tasks.get("t")?.task;
    if (!task) throw new Error("the recording lost its task");
    const store = createMemoryRunStore();
    const config = {
      taskId: "t",
      taskSha256: "0",
      device: "r",
      proposer: "recorded",
      forecaster: "spy",
      policy: "top-k",
      seed: 1,
      budget: { measurements: 8 },
      winLog2: 0.03,
      measureConcurrency: 1,
      openBatches: 1,
      strategy: { explore: 1, archive: 100 },
    };
    store.createRun({ runId: "run", configKey: "", config, createdAt: 0 });
    const stages = { task, device: recordedDevice(recording), proposer: recordedProposer(recording, "t"), forecaster };
    await runSearch({ runId: "run", config, policy: topK(), stages, store });
    expect(requests.length).toBeGreaterThan(0);
    expect(JSON.stringify(requests)).toContain("kernel-3");
    expect(JSON.stringify(requests)).not.toContain("SECRET");
  });
});
