import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Kernel } from "../domain/index.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { loadSplits } from "./load-splits.ts";
import { workerRequests } from "./worker-requests.ts";
import { collectRuns, parseWorkerRun, toReceiptRows, toRunRow } from "./worker-responses.ts";

const recording = syntheticRecording({ taskIds: ["a", "b", "c"], kernels: 12 });
const groups = [...recording.tasks.values()].map(({ task }) => ({
  task,
  kernels: recording.kernels(task.taskId).map(({ kernel }) => kernel),
}));

function ids(pass: number, seed = 1): string[] {
  return [...workerRequests(groups, { pass, seed })].map(({ id }) => id);
}

describe("workerRequests", () => {
  it("greets, then registers each task before its kernels, which stay together", () => {
    const requests = ids(1);
    expect(requests.slice(0, 2)).toEqual(["hello", "describe"]);
    expect(requests.length).toBe(2 + 3 + 36);
    const tasks = requests.slice(2).map((id) => id.split(":")[1]);
    expect(tasks.filter((task, index) => task !== tasks[index - 1]).length).toBe(3);
    expect(requests.filter((id) => id.startsWith("task:")).length).toBe(3);
    expect(new Set(requests).size).toBe(requests.length);
  });

  it("asks for every kernel once per pass, in another order, the same each time", () => {
    const kernelsOf = (requests: readonly string[]): string[] =>
      requests.filter((id) => id.startsWith("pass")).map((id) => id.split(":").slice(1).join(":"));
    expect(kernelsOf(ids(1))).not.toEqual(kernelsOf(ids(2)));
    expect(kernelsOf(ids(1)).toSorted()).toEqual(kernelsOf(ids(2)).toSorted());
    expect(ids(1)).toEqual(ids(1));
    expect(ids(1, 2)).not.toEqual(ids(1, 1));
  });

  it("passes limits on", () => {
    const [request] = [...workerRequests(groups, { pass: 1, limits: { gpuS: 2 } })].filter(
      ({ method }) => method === "measure",
    );
    expect(request?.params).toMatchObject({ mode: "screen", limits: { gpu_s: 2 } });
  });
});

const [good, bad] = (groups[0]?.kernels ?? []) as [Kernel, Kernel];

function answer(kernel: Kernel, verdict: object): string {
  const receipt = {
    worker_version: "1",
    seeds_sha256: "s",
    input_sha256: ["i"],
    checks: [
      { name: "correct", ok: !("error" in verdict), detail: "out[3]" },
      { name: "guards", ok: true, detail: "" },
    ],
    environment_after: { device: "d", sm_mhz: 1980, throttle: [] },
    started_at: "2026-11-22T10:00:00Z",
  };
  const result = {
    request_id: kernel.kernelId,
    kernel_id: kernel.kernelId,
    device: "d",
    cost: { gpu_seconds: 0.02, cpu_seconds: 0.5 },
    receipt,
    ...verdict,
  };
  return JSON.stringify({ id: kernel.kernelId, result });
}

const runtime = (median: number) => ({
  status: "ok",
  runtime_us: { median, p10: median, p90: median, n: 1, samples: [median] },
});
const wrong = { status: "incorrect", error: "wrong_output: out[3]" };

describe("parseWorkerRun", () => {
  const text = [
    '{"event": "log", "params": {"level": "info", "message": "started"}}',
    '{"id": "hello", "result": {"protocol": 1, "checks": []}}',
    answer(good, runtime(10)),
    '{"id": "x", "error": {"code": "unknown_task", "message": "no"}}',
    answer(bad, wrong),
    '{"id": "cut", "resu',
  ].join("\n");

  it("reads answers and refusals and drops a cut last line", () => {
    const run = parseWorkerRun(text, 1, "responses.jsonl");
    expect(run.answers.map(({ status }) => status)).toEqual(["ok", "incorrect"]);
    expect(run.errors).toEqual([{ id: "x", code: "unknown_task", message: "no" }]);
    expect(run.run).toMatch(/^pass1-[0-9a-f]{12}$/);
  });

  it("says where nonsense stands", () => {
    expect(() => parseWorkerRun('{"event": "log"}\nnonsense\n', 1, "r.jsonl")).toThrow(/^r\.jsonl:2: not JSON/);
    expect(() => parseWorkerRun('{"id": 7}\n', 1, "r.jsonl")).toThrow(/^r\.jsonl:1: not a line of the worker protocol/);
    expect(() => parseWorkerRun('{"id": "7", "result": {"status": "ok"}}\n', 1, "r.jsonl")).toThrow(
      /^r\.jsonl:1: not a measurement: /,
    );
  });

  it("adds passes up; within a pass the later answer counts", () => {
    const again = parseWorkerRun(answer(good, runtime(9)), 1, "again");
    const second = parseWorkerRun(`${answer(good, runtime(11))}\n${answer(bad, runtime(5))}\n`, 2, "second");
    const collected = collectRuns([second, parseWorkerRun(text, 1, "first"), again]);
    expect(collected.measurements).toMatchObject([
      { kernelId: good.kernelId, runtime: { medianUs: 9 }, runtimePass2: { medianUs: 11 }, gpuMs: 40 },
      { kernelId: bad.kernelId, status: "incorrect" },
    ]);
    expect(collected.conflicts).toEqual([{ kernelId: bad.kernelId, device: "d", statuses: ["incorrect", "ok"] }]);
  });

  it("reduces receipts to what is not said elsewhere", () => {
    const run = parseWorkerRun(text, 1, "first");
    const rows = toReceiptRows(run, (id) => (id === bad.kernelId ? "a" : undefined));
    expect(rows).toMatchObject([
      {
        run: run.run,
        task_id: "a",
        kernel_id: bad.kernelId,
        seeds_sha256: "s",
        checks: { passed: ["guards"], failed: { correct: "out[3]" } },
        state: { sm_mhz: 1980, throttle: [] },
      },
    ]);
    expect(toRunRow(run)).toMatchObject({ pass: 1, worker_version: "1", kernels: 2, errors: 1, controls_ok: true });
  });
});

describe("loadSplits", () => {
  it("gives each family one split", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kernelcast-splits-"));
    const path = join(folder, "splits.yaml");
    await writeFile(path, "train: [a]\ntest: [b]\n");
    expect([...(await loadSplits(path))]).toEqual([
      ["a", "train"],
      ["b", "test"],
    ]);
    await writeFile(path, "train: [a]\ntest: [a]\n");
    await expect(loadSplits(path)).rejects.toThrow(/family "a" is in train and in test/);
    await writeFile(path, "train: a\n");
    await expect(loadSplits(path)).rejects.toThrow(/splits\.yaml: train: /);
    await rm(folder, { recursive: true });
  });
});
