/** `recording add`: kernels of one's own, measured by a real worker process with its fake device, become a recording. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { recordedRuntimeUs, type RecordedMeasurement } from "../../src/domain/index.ts";
import { loadRecording } from "../../src/formats/load-recording.ts";
import { loadTask } from "../../src/formats/load-task.ts";
import { loadRunTables } from "../../src/formats/run-tables.ts";
import { copyTask, faultLines, hasWorkerPython, runCli, scratchFolder, startCli, type CliResult } from "./run-cli.ts";

const workerFolder = fileURLToPath(new URL("../../python", import.meta.url));
const scratch = scratchFolder("recording-add");
afterAll(() => scratch.remove());
if (!hasWorkerPython) console.log("skipped: recording add needs python3 with numpy");

interface Place {
  readonly folder: string;
  readonly task: string;
  readonly kernels: string;
}

/** A task with a folder of kernels that take 10, 20, … µs. */
async function place(count: number): Promise<Place> {
  const folder = scratch.next();
  mkdirSync(folder);
  const task = copyTask(folder);
  const { seedKernel } = await loadTask(task);
  const kernels = join(folder, "kernels");
  mkdirSync(kernels);
  for (let index = 1; index <= count; index++) {
    writeFileSync(join(kernels, `k${index}.cu`), `${seedKernel.source}// fake: runtime_us=${10 * index}\n`);
  }
  return { folder, task, kernels };
}

const add = ({ task, kernels }: Place, recording: string, ...words: string[]): Promise<CliResult> =>
  runCli(["recording", "add", recording, "--task", task, "--kernels", kernels, "--json", ...words]);

function document({ code, stdout, stderr }: CliResult): Record<string, unknown> {
  expect([code, stderr.split("\n").filter((line) => line.startsWith("kernelcast:"))]).toEqual([0, []]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

function passFiles(folder: string): string[] {
  const names = readdirSync(join(folder, "passes")).sort();
  return names.map((name) => join(folder, "passes", name));
}

async function measured(folder: string): Promise<ReadonlyMap<string, RecordedMeasurement>> {
  return (await loadRecording(folder)).measurements("scale-vector", "Fake H100");
}

/** The worker's answers of a file, changed one by one. */
function changeAnswers(path: string, change: (result: { kernel_id: string; runtime_us?: object }) => object): string {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  const changed = lines.map((line) => {
    const { id, result } = JSON.parse(line) as { id: string; result: { kernel_id: string } };
    return JSON.stringify({ id, result: result.kernel_id === undefined ? result : change(result) });
  });
  return `${changed.join("\n")}\n`;
}

const runtime = (median: number): object => ({ median, p10: median, p90: median, n: 1, samples: [median] });

describe.skipIf(!hasWorkerPython)("recording add", () => {
  it("makes a recording of a folder of kernels: two passes, launches, parents and receipts", async () => {
    const here = await place(4);
    const { seedKernel } = await loadTask(here.task);
    writeFileSync(join(here.kernels, "wrong.cu"), `${seedKernel.source}// fake: nan\n`);
    writeFileSync(
      join(here.kernels, "k4.launches.yaml"),
      '- { kernel: scale, grid: ["ceil_div(n, BLOCK * ITEMS)", 1, 1], block: [BLOCK, 1, 1], smem_bytes: 64, args: [x, out, { i32: n }] }\n',
    );
    writeFileSync(join(here.kernels, "parents.jsonl"), '{"file": "k2.cu", "parent": "k1.cu", "idea": "twice"}\n');
    const recording = join(here.folder, "recording");
    const result = document(await add(here, recording, "--split", "train"));
    expect(result).toMatchObject({
      kernels: 6,
      conflicts: [],
      refused: [],
      unmeasured: 0,
      devices: { "Fake H100": { measured: 6, ok: 5, failed: 1, passes: { kernels: 5, over_3_percent: 0 } } },
    });
    const loaded = await loadRecording(recording);
    expect(loaded.tasks.get("scale-vector")).toMatchObject({
      split: "train",
      task: { seedKernel: { kernelId: seedKernel.kernelId } },
    });
    const kernels = loaded.kernels("scale-vector");
    const marked = (mark: string) => kernels.find(({ kernel }) => kernel.source.includes(`fake: ${mark}`));
    expect(kernels[0]).toMatchObject({ parentId: null, origin: "seed" });
    expect(marked("runtime_us=10")?.parentId).toBe(seedKernel.kernelId);
    expect(marked("runtime_us=20")).toMatchObject({
      parentId: marked("runtime_us=10")?.kernel.kernelId,
      idea: "twice",
    });
    expect(marked("runtime_us=40")?.kernel.launches[0]).toMatchObject({ smemBytes: 64, block: [32, 1, 1] });
    const runtimes = loaded.measurements("scale-vector", "Fake H100");
    const us = (mark: string): number | undefined =>
      recordedRuntimeUs(runtimes.get(marked(mark)?.kernel.kernelId ?? "") as RecordedMeasurement);
    expect(us("runtime_us=30")).toBeCloseTo(30, 0);
    expect(runtimes.get(marked("nan")?.kernel.kernelId ?? "")).toMatchObject({ status: "incorrect" });
    const { runs, receipts } = await loadRunTables(recording);
    expect(runs.map(({ pass, kernels: count, controls_ok: fine }) => [pass, count, fine])).toEqual([
      [1, 6, true],
      [2, 6, true],
    ]);
    expect(receipts).toHaveLength(12);
    const orders = passFiles(recording).map((path) =>
      readFileSync(path, "utf8")
        .match(/"id":"pass\d:[^"]*/g)
        ?.map((id) => id.split(":").at(-1)),
    );
    expect(orders[0]).not.toEqual(orders[1]);
    expect(orders[0]?.toSorted()).toEqual(orders[1]?.toSorted());
  });

  it("measures a third time where the passes disagree, and takes the middle", async () => {
    const here = await place(3);
    const first = join(here.folder, "first");
    document(await add(here, first));
    // As if one kernel had been slow in the second pass: the tables are not there yet, the passes are.
    const second = join(here.folder, "second");
    mkdirSync(join(second, "passes"), { recursive: true });
    const [victim] = [...(await measured(first))].filter(([, one]) => Math.round(recordedRuntimeUs(one) ?? 0) === 20);
    const [id = ""] = victim ?? [];
    passFiles(first).forEach((path, index) => {
      const text = changeAnswers(path, (result) =>
        index === 1 && result.kernel_id === id ? { ...result, runtime_us: runtime(30) } : result,
      );
      writeFileSync(path.replace(first, second), text);
    });
    const run = await add(here, second);
    expect(run.stderr).toContain("the passes of 1 kernels differ by more than 3 %: measured a third time");
    expect(document(run)["devices"]).toMatchObject({
      "Fake H100": { measured: 4, passes: { over_3_percent: 1, third_passes: 1, unconfirmed: 0 } },
    });
    const three = (await measured(second)).get(id) as RecordedMeasurement;
    expect(three.runtimePass2?.medianUs).toBe(30);
    expect(recordedRuntimeUs(three)).toBeCloseTo(20, 0);
    expect((await loadRunTables(second)).runs.map(({ pass, kernels }) => [pass, kernels])).toEqual([
      [1, 4],
      [2, 4],
      [3, 1],
    ]);
  });

  it("goes on where Ctrl-C or a kill left it", async () => {
    const here = await place(60);
    const recording = join(here.folder, "recording");
    const { child, result } = startCli(["recording", "add", recording, "--task", here.task, "--kernels", here.kernels]);
    const lines = (): string[] => {
      const [file] = existsSync(join(recording, "passes")) ? passFiles(recording) : [];
      return file === undefined ? [] : readFileSync(file, "utf8").trimEnd().split("\n");
    };
    while (lines().length < 4 && child.exitCode === null) await sleep(5);
    child.kill("SIGINT");
    const interrupted = await result;
    expect(interrupted.code).toBe(130);
    expect(faultLines(interrupted)).toHaveLength(1);
    expect(interrupted.stderr).toMatch(/interrupted in pass 1; the same command goes on/);
    expect(existsSync(join(recording, "tasks.parquet"))).toBe(false);
    const kept = lines();
    expect(kept.length).toBeLessThan(61);
    const [file = ""] = passFiles(recording);
    writeFileSync(file, `${kept.join("\n")}\n{"id":"pass1:cut`);
    expect(document(await add(here, recording))).toMatchObject({ kernels: 61, unmeasured: 0 });
    expect(lines().slice(0, kept.length)).toEqual(kept);
    const ids = lines().flatMap((line) => /"kernel_id":"(\w+)"/.exec(line)?.[1] ?? []);
    expect(new Set(ids).size).toBe(61);
    expect(ids).toHaveLength(61);
  });

  it("takes worker output, adds to what is there, and asks before it replaces", async () => {
    const here = await place(3);
    const measuredHere = join(here.folder, "measured");
    document(await add(here, measuredHere));
    const [pass1 = "", pass2 = ""] = passFiles(measuredHere);
    const taken = join(here.folder, "taken");
    document(await add(here, taken, "--pass1", pass1));
    const before = await measured(taken);
    expect([...before.values()].every((one) => one.runtime && !one.runtimePass2)).toBe(true);
    const refused = await runCli(["recording", "add", taken, "--pass2", pass2]);
    expect(refused.code).toBe(2);
    expect(faultLines(refused)).toEqual([
      `kernelcast: ${taken} is a recording already: --out FOLDER writes the sum elsewhere, --in-place replaces its tables`,
    ]);
    expect(await measured(taken)).toEqual(before);
    document(await runCli(["recording", "add", taken, "--pass2", pass2, "--in-place", "--json"]));
    expect(await measured(taken)).toEqual(await measured(measuredHere));
    const again = document(await runCli(["recording", "add", taken, "--pass2", pass2, "--in-place", "--json"]));
    expect(again).toMatchObject({ kernels: 0, outcomes: { added: 0, same: 4, surplus: 0 } });
    const [id = ""] = [...before.keys()];
    const third = join(here.folder, "third.jsonl");
    writeFileSync(
      third,
      changeAnswers(pass1, (result) => ({ ...result, ...(result.runtime_us ? { runtime_us: runtime(7) } : {}) })),
    );
    const out = join(here.folder, "sum");
    document(await runCli(["recording", "add", taken, "--pass3", third, "--out", out, "--json"]));
    expect((await measured(out)).get(id)?.runtimePass3?.medianUs).toBe(7);
    expect((await measured(taken)).get(id)?.runtimePass3).toBeUndefined();
    const { runs, receipts } = await loadRunTables(out);
    expect(runs.map(({ pass }) => pass)).toEqual([1, 2, 3]);
    expect(receipts.filter((row) => row["kernel_id"] === id)).toHaveLength(3);
    expect((await runCli(["recording", "add", taken, "--pass3", third, "--out", out])).code).toBe(2);
  });

  it("writes requests for a worker elsewhere, and takes what it answers", async () => {
    const here = await place(3);
    const requests = join(here.folder, "requests");
    const recording = join(here.folder, "recording");
    expect(document(await add(here, recording, "--requests", requests))).toMatchObject({
      requests: [
        { pass: 1, kernels: 4 },
        { pass: 2, kernels: 4 },
      ],
    });
    expect(existsSync(recording)).toBe(false);
    const answer = (pass: number): string => {
      const words = ["-m", "kernelcast_worker", "--fake", "ok"];
      const input = readFileSync(join(requests, `pass${pass}.jsonl`), "utf8");
      const { stdout } = spawnSync("python3", words, { cwd: workerFolder, input, encoding: "utf8" });
      const path = join(here.folder, `answers${pass}.jsonl`);
      writeFileSync(path, stdout);
      return path;
    };
    document(await add(here, recording, "--pass1", answer(1), "--pass2", answer(2)));
    // The last of the first pass: the fake device's noise is that of the place in a run, so the first would repeat itself.
    const id = [...(await measured(recording)).keys()].at(-1) ?? "";
    expect((await measured(recording)).get(id)).toMatchObject({
      status: "ok",
      runtimePass2: { n: expect.any(Number) },
    });
    const none = await runCli(["recording", "add", recording, "--requests", requests]);
    expect([none.code, none.stderr]).toEqual([1, expect.stringMatching(/no kernel in it needs a third pass/)]);
    const slow = changeAnswers(join(here.folder, "answers2.jsonl"), (result) =>
      result.kernel_id === id ? { ...result, runtime_us: runtime(1000) } : result,
    );
    writeFileSync(join(here.folder, "answers2.jsonl"), slow);
    const disagreeing = join(here.folder, "disagreeing");
    const files = ["--pass1", join(here.folder, "answers1.jsonl"), "--pass2", join(here.folder, "answers2.jsonl")];
    document(await add(here, disagreeing, ...files));
    document(await runCli(["recording", "add", disagreeing, "--requests", requests, "--json"]));
    document(await runCli(["recording", "add", disagreeing, "--pass3", answer(3), "--in-place", "--json"]));
    const three = (await measured(disagreeing)).get(id);
    expect(three?.runtimePass2?.medianUs).toBe(1000);
    expect(three?.runtimePass3?.medianUs).toBeLessThan(200);
    expect([...(await measured(disagreeing)).values()].filter((one) => one.runtimePass3)).toHaveLength(1);
  });

  it("says in one line what is wrong", async () => {
    const here = await place(1);
    const recording = join(here.folder, "recording");
    const empty = join(here.folder, "empty");
    mkdirSync(empty);
    const nonsense = join(here.folder, "nonsense.jsonl");
    writeFileSync(nonsense, "Segmentation fault\n");
    const strangers = join(here.folder, "strangers");
    const other = await place(2);
    document(await add(other, strangers));
    const orphan = join(here.folder, "orphan.jsonl");
    writeFileSync(orphan, '{"source": "void k() {}", "parent_id": "nobody"}\n');
    const task = ["--task", here.task];
    const cases: readonly (readonly [words: readonly string[], code: number, message: RegExp])[] = [
      [[], 2, /a new recording needs --task and --kernels/],
      [["--kernels", here.kernels], 2, /--kernels needs --task/],
      [[...task, "--kernels", join(here.folder, "nowhere")], 2, /nowhere: no such file or folder/],
      [[...task, "--kernels", empty], 1, /empty: there is no \.cu file in it/],
      [[...task, "--kernels", nonsense], 1, /nonsense\.jsonl:1: not JSON/],
      [[...task, "--kernels", orphan], 1, /orphan\.jsonl:1: its parent "nobody" is not among the kernels/],
      [[...task, "--kernels", join(here.task, "task.yaml")], 2, /give a folder of \.cu files, or a table/],
      [[...task, "--kernels", here.kernels, "--device", "recorded:atlas"], 2, /unknown kind "recorded"/],
      [[...task, "--kernels", here.kernels, "--pass1", nonsense], 1, /nonsense\.jsonl:1: not JSON/],
      [[...task, "--kernels", here.kernels, "--pass1", join(here.folder, "no.jsonl")], 2, /no\.jsonl: cannot be read/],
      [["--task", "no-such-task", "--kernels", here.kernels], 1, /no task "no-such-task"/],
      [[...task, "--kernels", here.kernels, "--out", recording, "--in-place"], 2, /exclude each other/],
    ];
    for (const [words, code, message] of cases) {
      const result = await runCli(["recording", "add", recording, ...words]);
      expect(faultLines(result)).toHaveLength(1);
      expect(result.stderr).toMatch(message);
      expect([words.join(" "), result.code]).toEqual([words.join(" "), code]);
      expect(existsSync(join(recording, "tasks.parquet"))).toBe(false);
    }
    const foreign = changeAnswers(passFiles(strangers)[0] ?? "", (result) => ({ ...result, kernel_id: "stranger" }));
    writeFileSync(nonsense, foreign);
    const result = await add(here, recording, "--pass1", nonsense);
    expect(result.stderr).toMatch(/nothing was added to .*: 1 measurements are of other kernels/);
    expect(result.code).toBe(1);
  });
});
