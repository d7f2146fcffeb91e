/** Kernels and workers that misbehave: the verdict names what was caught, and the work goes on. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeKernel, type MeasurementStatus, type StoredEvent, type Task } from "../../src/domain/index.ts";
import { loadTask } from "../../src/formats/load-task.ts";
import { fromKernel, fromTask } from "../../src/formats/recording-rows.ts";
import { quoteWord } from "../../src/process/shell-words.ts";
import { openRunStore } from "../../src/store/sqlite-run-store.ts";
import { scriptedWorker, type ScriptedWorker } from "../../src/testing/fake-workers/scripted.ts";
import { copyTask, faultLines, hasWorkerPython, replaceIn, runCli, scratchFolder, type CliResult } from "./run-cli.ts";

const scratch = scratchFolder("bad-kernels");
afterAll(() => scratch.remove());
if (!hasWorkerPython) console.log("skipped: kernels that misbehave need python3 with numpy");

/** What the fake device does with a kernel that bears the mark, and the verdict that is due. */
const misdeeds: readonly (readonly [mark: string, status: MeasurementStatus, error: RegExp])[] = [
  ["compile_error", "compile_error", /^compile: /],
  ["launch_error", "launch_error", /^launch: /],
  ["hang", "timeout", /^timeout: /],
  ["sticky_error", "launch_error", /^out_of_bounds: /],
  ["nan", "incorrect", /^non_finite: /],
  ["wrong_output", "incorrect", /^wrong_output: /],
  ["unwritten_output", "incorrect", /^unwritten_output: /],
  ["out_of_bounds_write", "incorrect", /^out_of_bounds: /],
  ["kept_answer", "incorrect", /^kept_answer: /],
  ["input_changed", "incorrect", /^input_changed: /],
  ["die_mid_line", "crashed", /^crash: /],
  ["nonsense", "crashed", /^crash: /],
];

function misbehaving(source: string, mark: string): string {
  return `${source}\n// fake: ${mark}\n__device__ int mark_${mark};\n`;
}

describe.skipIf(!hasWorkerPython)("kernels that misbehave", () => {
  it("measure: each gets its status and word, in --json and in the table, and the next one is measured", async () => {
    const folder = scratch.next();
    const task = copyTask(folder);
    const { seedKernel } = await loadTask(task);
    const files = misdeeds.map(([mark]) => {
      const file = join(folder, `${mark}.cu`);
      writeFileSync(file, misbehaving(seedKernel.source, mark));
      return file;
    });
    const good = join(folder, "good.cu");
    writeFileSync(good, `${seedKernel.source}\n// fake: runtime_us=50\n`);
    const words = ["measure", task, ...files, good];
    const json = await runCli([...words, "--json"]);
    expect(json.code).toBe(1);
    expect(faultLines(json)).toEqual([]);
    const { kernels } = JSON.parse(json.stdout) as { kernels: { status: string; error?: string }[] };
    expect(kernels).toHaveLength(misdeeds.length + 1);
    misdeeds.forEach(([mark, status, error], index) => {
      expect([mark, kernels[index]?.status]).toEqual([mark, status]);
      expect(kernels[index]?.error).toMatch(error);
      expect(kernels[index]?.error).not.toContain("\n");
    });
    expect(kernels.at(-1)).toMatchObject({ status: "ok", confirmed: true });
    const table = await runCli(words);
    expect(table.code).toBe(1);
    const lines = table.stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(misdeeds.length + 3);
    misdeeds.forEach(([mark, status, error], index) => {
      expect(lines[index + 2]).toMatch(new RegExp(`${mark}\\.cu +${status} +${error.source.slice(1)}`));
    });
  });

  it("search: it goes on after each, counts them and gives each its reason", async () => {
    const folder = scratch.next();
    const task = copyTask(folder);
    const recording = recordMisdeeds(await loadTask(task), join(folder, "recording"));
    const workspace = join(folder, "workspace");
    const words = `--device local --proposer-recording ${recording} --policy measure-all --measurements 40 --json`;
    const result = await runCli(["search", task, ...words.split(" "), "--workspace", workspace]);
    expect(faultLines(result)).toEqual([]);
    expect(result.code).toBe(0);
    const document = JSON.parse(result.stdout) as { run_id: string };
    expect(document).toMatchObject({
      failed: misdeeds.length,
      stopped: "no-more-proposals",
      best: { confirmed: true },
    });
    const verdicts = verdictsOf(workspace, document.run_id);
    expect(verdicts.toSorted()).toEqual(misdeeds.map(([, status]) => status as string).toSorted());
  });

  it.each(misdeeds.filter(([mark]) => ["compile_error", "hang", "nan", "die_mid_line"].includes(mark)))(
    "a seed with %s ends the search with one line",
    async (mark, status) => {
      const task = copyTask(scratch.next(), (folder) =>
        replaceIn(join(folder, "seed.cu"), 'extern "C"', `// fake: ${mark}\nextern "C"`),
      );
      const result = await runCli(liveSearch(task));
      expect({ code: result.code, stdout: result.stdout }).toEqual({ code: 1, stdout: "" });
      expect(faultLines(result)).toHaveLength(1);
      expect(faultLines(result)[0]).toMatch(
        new RegExp(`the seed kernel of scale-vector failed, so there is nothing to improve: ${status}: `),
      );
    },
  );
});

function liveSearch(task: string, ...more: string[]): string[] {
  return [
    "search",
    task,
    ..."--device local --policy measure-all --measurements 6 --json --workspace".split(" "),
    scratch.next(),
    ...more,
  ];
}

/** A recording of kernels that misbehave, all children of the task's seed. */
function recordMisdeeds(task: Task, folder: string): string {
  const { seedKernel, workload } = task;
  const child = (source: string) => makeKernel({ ...seedKernel, source }, workload.sizes);
  const faster = child(`${seedKernel.source}\n// fake: runtime_us=50\n__device__ int faster;\n`);
  const children = [...misdeeds.map(([mark]) => child(misbehaving(seedKernel.source, mark))), faster];
  const rows = [seedKernel, ...children].map((kernel, index) =>
    fromKernel({ kernel, taskId: task.taskId, parentId: index === 0 ? null : seedKernel.kernelId }, workload),
  );
  // The recording's own verdicts do not matter: the device decides. What was never measured would not be proposed.
  const verdicts = rows.map((row) => ({ kernel_id: row["kernel_id"], device: "gpu", status: "ok", runtime_us: 100 }));
  mkdirSync(folder);
  const write = (table: string, lines: readonly unknown[]): void =>
    writeFileSync(join(folder, `${table}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  write("tasks", [fromTask({ task })]);
  write("kernels", rows);
  write("measurements", verdicts);
  return folder;
}

/** The statuses of the kernels that failed, from the run's log. */
function verdictsOf(workspace: string, runId: string): string[] {
  const store = openRunStore(join(workspace, "kernelcast.sqlite"));
  const measured = ({ payload }: StoredEvent): string =>
    (payload as { measurement: { status: string } }).measurement.status;
  const statuses = [...store.events(runId)].filter(({ type }) => type === "measurement-end").map(measured);
  const compiled = [...store.events(runId)]
    .filter(({ type }) => type === "compile-end")
    .flatMap(({ payload }) => (payload as { outcomes: { ok: boolean }[] }).outcomes)
    .filter(({ ok }) => !ok)
    .map(() => "compile_error");
  store.close();
  return [...compiled, ...statuses.filter((status) => status !== "ok")];
}

/** A `python3` that is the scripted worker. */
function asPython(worker: ScriptedWorker): string {
  const path = join(scratch.next());
  writeFileSync(path, `#!/bin/sh\nexec ${worker.argv.map(quoteWord).join(" ")}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe("a worker that misbehaves", () => {
  const run = (behaviour: string): Promise<CliResult> => {
    const worker = scriptedWorker(behaviour);
    return runCli(liveSearch(copyTask(scratch.next()), "--python", asPython(worker)), worker.env);
  };

  it.each([
    [
      "dies at its start",
      "exit-one",
      /the worker could not be started .*code 1 \(ModuleNotFoundError: No module named/,
    ],
    ["ends at its start", "exit-zero", /the worker could not be started .*exited with code 0/],
    [
      "dies in the middle of a line",
      "mid-line",
      /the seed kernel .*crashed: crash: the worker died .* not an answer: /,
    ],
    ["answers nonsense", "nonsense", /crash: the worker died .*a line that is not an answer: Segmentation fault/],
    ["answers something else", "wrong", /the worker's answer to measure is not of the protocol/],
    ["speaks another protocol", "protocol", /speaks protocol 99, but 1 is needed/],
  ])("%s: one line, exit code 1", async (_title, behaviour, message) => {
    const result = await run(behaviour);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code: 1, stdout: "" });
    expect(faultLines(result)).toHaveLength(1);
    expect(faultLines(result)[0]).toMatch(message);
  });

  it("dies once: it is started again, and the search goes on", async () => {
    const result = await run("die-once:2");
    expect(faultLines(result)).toEqual([]);
    expect(result.stderr).toMatch(/^the worker ended: .*exited with code 9/m);
    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ measured: 6, failed: 0 });
  });

  it("has no Python: one line that names it", async () => {
    const result = await runCli(liveSearch(copyTask(scratch.next()), "--python", "/no/python"));
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^kernelcast: the worker could not be started: \/no\/python [^\n]*no such program\n$/,
    );
  });
});
