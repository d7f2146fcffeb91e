/** `kernelcast evaluate` as a user runs it, on recordings that it has never seen and on a part of the atlas. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeRecording } from "../../src/formats/write-recording.ts";
import { syntheticRecording } from "../../src/testing/synthetic-recording.ts";
import { runCli, scratchFolder, startCli, type CliResult } from "./run-cli.ts";

const scratch = scratchFolder("evaluate");
afterAll(() => scratch.remove());

type Row = Record<string, unknown>;

/** Rewrites the rows of a table in JSON Lines. */
function editTable(folder: string, table: string, edit: (row: Row) => Row): void {
  const path = join(folder, `${table}.jsonl`);
  const rows = readFileSync(path, "utf8").trim().split("\n");
  writeFileSync(path, rows.map((row) => `${JSON.stringify(edit(JSON.parse(row) as Row))}\n`).join(""));
}

function without(row: Row, ...columns: readonly string[]): Row {
  return Object.fromEntries(Object.entries(row).filter(([column]) => !columns.includes(column)));
}

/** A recording as a stranger may have it: no splits, families, templates, ideas, device figures nor compile evidence. */
async function strangersRecording(): Promise<string> {
  const folder = scratch.next();
  await writeRecording(folder, { ...syntheticRecording({ kernels: 40 }), deviceInfos: new Map() }, { format: "jsonl" });
  editTable(folder, "tasks", (row) => without(row, "split", "family"));
  editTable(folder, "kernels", (row) => without(row, "template_id", "idea", "origin"));
  editTable(folder, "measurements", (row) =>
    without(row, "regs", "static_smem", "spill_bytes", "occupancy", "compile_ms", "gpu_ms", "runtime_us_pass2"),
  );
  return folder;
}

function documentOf({ code, stdout, stderr }: CliResult): Row {
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) as string });
  return JSON.parse(stdout) as Row;
}

const notSpeed = (document: Row): string =>
  JSON.stringify(document).replace(/"(kernels_per_second|cpu_seconds)":[^,}]+/g, '"$1":0');

describe("evaluate on a stranger's recording", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await strangersRecording();
  });

  it("takes all tasks where there are no splits, says so, and needs no evidence", async () => {
    const result = await runCli([
      "evaluate",
      "--forecaster",
      "static",
      "--recording",
      folder,
      "--split",
      "test",
      "--json",
    ]);
    const document = documentOf(result);
    expect(document).toMatchObject({
      forecaster: "static",
      split: "all",
      device: "synthetic",
      view: "start",
      evidence: false,
      tasks: 2,
      kernels: 78,
      missing_forecasts: 0,
      compile_errors_left_out: 0,
    });
    expect(result.stderr).toBe("the recording has no splits: all of its tasks are taken\n");
    const { pairwise_accuracy: pairwise, coverage, pit } = document as Row & { pit: number[] };
    expect(pairwise).toMatchObject({
      value: expect.any(Number) as number,
      ci: [expect.any(Number), expect.any(Number)],
    });
    expect(coverage).toMatchObject({ "50": expect.any(Number) as number, "95": expect.any(Number) as number });
    expect(pit.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(Object.keys(document["baselines"] as Row)).toEqual([
      "baseline:constant",
      "baseline:anchor",
      "baseline:length",
      "baseline:roofline",
    ]);
  });

  it("reads Parquet as it does JSON Lines", async () => {
    const recording = syntheticRecording({ kernels: 40 });
    const [lines, parquet] = [scratch.next(), scratch.next()];
    await writeRecording(lines, recording, { format: "jsonl" });
    await writeRecording(parquet, recording);
    const [first, second] = await Promise.all(
      [lines, parquet].map((path) => runCli(["evaluate", "--recording", path, "--json"])),
    );
    const document = documentOf(first as CliResult);
    expect(document).toMatchObject({ split: "test", tasks: 2, evidence: true, compile_errors_left_out: 2 });
    expect(notSpeed(documentOf(second as CliResult))).toBe(notSpeed(document).replaceAll(lines, parquet));
  });

  it("gives an array for several, with differences to the first, and the same each time", async () => {
    const args = ["evaluate", "--forecaster", "baseline:length", "--forecaster", "baseline:constant"];
    const more = ["--recording", folder, "--view", "search", "--seed", "3", "--json"];
    const results = await Promise.all([runCli([...args, ...more]), runCli([...args, ...more])]);
    const [first, second] = results.map(documentOf) as [Row, Row];
    expect(notSpeed(second)).toBe(notSpeed(first));
    const [length, constant] = first as unknown as [Row, Row];
    expect(length).toMatchObject({ forecaster: "baseline:length", view: "search", kernels: 78 - 16 });
    expect(length["paired"]).toBeUndefined();
    expect(constant["paired"]).toMatchObject({ against: "baseline:length", crps: { tasks: 2 } });
    expect(Object.keys(length["baselines"] as Row)).toEqual(["baseline:anchor", "baseline:roofline"]);
  });

  it("prints a table for people, and writes page, plots and document", async () => {
    const out = join(scratch.next(), "deep");
    const result = await runCli(["evaluate", "--recording", folder, "--out", out]);
    expect(result.code).toBe(0);
    expect(result.stdout).toMatch(
      /^.*split all: 2 tasks, 78 kernels, [\d ]+ pairs; synthetic; view start, no compile evidence\n/,
    );
    for (const name of ["static", "baseline:constant", "baseline:anchor", "baseline:length", "baseline:roofline"]) {
      expect(result.stdout).toMatch(new RegExp(`^${name} +0\\.`, "m"));
    }
    expect(result.stderr).toContain(`wrote ${join(out, "evaluate.html")}\n`);
    for (const file of ["evaluate.html", "reliability.svg", "risk-coverage.svg", "pit.svg", "ranks.svg"]) {
      expect(existsSync(join(out, file))).toBe(true);
    }
    const document = JSON.parse(readFileSync(join(out, "evaluate.json"), "utf8")) as Row;
    expect(document["forecaster"]).toBe("static");
  });
});

describe("evaluate on the atlas", () => {
  it("scores two tasks, on the device that is named and with evidence or without", async () => {
    const args = ["evaluate", "--tasks", "softmax-f32,stencil3d-f32", "--json"];
    const [told, masked] = await Promise.all([runCli(args), runCli([...args, "--no-evidence", "--device", "h100"])]);
    const [first, second] = [documentOf(told), documentOf(masked)];
    expect(first).toMatchObject({
      split: "all",
      tasks: 2,
      evidence: true,
      compile_errors_left_out: expect.any(Number) as number,
    });
    expect(second).toMatchObject({ tasks: 2, evidence: false, compile_errors_left_out: 0 });
    const leftOut = first["compile_errors_left_out"] as number;
    expect(leftOut).toBeGreaterThan(0);
    expect(second["kernels"]).toBe((first["kernels"] as number) + leftOut);
    expect((first["pairwise_accuracy"] as { value: number }).value).toBeGreaterThan(0.6);
    expect(first["crps"]).toBeLessThan(first["crps_prior"] as number);
  });
});

describe("evaluate that is interrupted", () => {
  it("ends with one line and exit code 130, also while it computes", async () => {
    const { child, result } = startCli(["evaluate", "--split", "train", "--json"]);
    await new Promise((resolve) => setTimeout(resolve, 6000));
    child.kill("SIGINT");
    const { code, stdout, stderr } = await result;
    expect({ code, stdout, stderr }).toEqual({ code: 130, stdout: "", stderr: "kernelcast: interrupted\n" });
  });
});

describe("evaluate with a fault", () => {
  let folder = "";
  let failing = "";
  beforeAll(async () => {
    folder = await strangersRecording();
    failing = await strangersRecording();
    editTable(failing, "measurements", (row) => ({ ...without(row, "runtime_us"), status: "crashed", error: "gone" }));
  });

  async function expectOneLine(code: number, message: RegExp, ...args: readonly string[]): Promise<void> {
    const result = await runCli(["evaluate", ...args, "--json"]);
    expect(result.stderr).toMatch(/^kernelcast: [^\n]+\n$/);
    expect(result.stderr).toMatch(message);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: "" });
  }

  it("in the forecaster", async () => {
    await expectOneLine(2, /--forecaster statik: unknown kind .*did you mean static\?/, "--forecaster", "statik");
    await expectOneLine(
      2,
      /unknown baseline "lenght" \(known: constant,.*did you mean length\?/,
      "--forecaster",
      "baseline:lenght",
    );
    await expectOneLine(1, /no such file/, "--forecaster", "static:absent.json", "--recording", folder);
  });

  it("in the choice of tasks", async () => {
    await expectOneLine(
      1,
      /no task of the split "test" among the 1 read \(they are: train 1\)/,
      "--tasks",
      "gemv-f32",
      "--split",
      "test",
    );
    await expectOneLine(
      1,
      /no task "synthetic-z" in it .*did you mean synthetic-/,
      "--recording",
      folder,
      "--tasks",
      "synthetic-z",
    );
    await expectOneLine(2, /Expected "tset" to be one of \(test\|validation/, "--split", "tset");
  });

  it("in the device", async () => {
    await expectOneLine(
      1,
      /device "B200" is not in the recording \(it has: synthetic\)/,
      "--recording",
      folder,
      "--device",
      "B200",
    );
  });

  it("in the recording", async () => {
    await expectOneLine(
      1,
      /nothing to judge by: in 2 tasks no two kernels have a time on synthetic/,
      "--recording",
      failing,
    );
    await expectOneLine(1, /nowhere/, "--recording", "nowhere");
  });

  it("in the folder to write to", async () => {
    const file = scratch.next();
    writeFileSync(file, "");
    const result = await runCli([
      "evaluate",
      "--recording",
      folder,
      "--forecaster",
      "baseline:anchor",
      "--out",
      join(file, "x"),
    ]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^kernelcast: [^\n]+\n$/);
    expect(result.stdout).toBe("");
  });
});
