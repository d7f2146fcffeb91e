/** `kernelcast bench search` as a user runs it, on recordings that it has never seen. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordedRuntimeUs } from "../../src/domain/index.ts";
import { writeRecording } from "../../src/formats/write-recording.ts";
import { syntheticRecording } from "../../src/testing/synthetic-recording.ts";
import { faultLines, runCli, scratchFolder, startCli, type CliResult } from "./run-cli.ts";

const scratch = scratchFolder("bench-search");
afterAll(() => scratch.remove());

type Row = Record<string, unknown>;

function documentOf({ code, stdout, stderr }: CliResult): Row & { readonly arms: Record<string, Row> } {
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) as string });
  return JSON.parse(stdout) as Row & { arms: Record<string, Row> };
}

/** A table of forecasts that are the truth, each at a price. */
function trueForecasts(kernels: number): string {
  const recording = syntheticRecording({ kernels });
  const rows = [...recording.tasks.keys()].flatMap((taskId) =>
    [...recording.measurements(taskId, "synthetic").values()].map((measurement) => {
      const us = recordedRuntimeUs(measurement);
      const quantiles = { p10: us ?? 50, p50: us ?? 50, p90: us ?? 50 };
      const p_ok = us === undefined ? 0.01 : 0.99;
      const cost = { tokens: 100, usd: 0.25 };
      return {
        forecaster: "told",
        kernel_id: measurement.kernelId,
        anchor_ids: [],
        p_ok,
        runtime_us: quantiles,
        ...cost,
      };
    }),
  );
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** Lines that hold a finished search. */
function keptLines(workspace: string): string[] {
  const root = join(workspace, "bench");
  if (!existsSync(root)) return [];
  const files = readdirSync(root).flatMap((state) =>
    readdirSync(join(root, state)).map((name) => join(root, state, name)),
  );
  return files.flatMap((path) => readFileSync(path, "utf8").split("\n")).filter((line) => line.endsWith("}"));
}

describe("bench search on a recording by path", () => {
  let folder = "";
  let arguments_: string[] = [];
  beforeAll(async () => {
    folder = scratch.next();
    await writeRecording(folder, syntheticRecording({ kernels: 60 }), { format: "jsonl" });
    arguments_ = ["bench", "search", "--recording", folder, "--measurements", "12", "--json"];
  });

  it("compares arms, and says the same with any number of threads", async () => {
    const more = ["--arms", "random-subset,published-gate:static,evolutionary", "--seeds", "8"];
    const [one, three] = await Promise.all(
      ["1", "3"].map((jobs) => runCli([...arguments_, ...more, "--jobs", jobs, "--workspace", scratch.next()])),
    );
    const document = documentOf(one as CliResult);
    expect(document).toEqual(documentOf(three as CliResult));
    expect(document).toMatchObject({
      split: "test",
      device: "synthetic",
      tasks: 2,
      kernels: 120,
      seeds: 8,
      measurements: 12,
    });
    expect(Object.keys(document.arms)).toEqual([
      "measure-all",
      "random-subset",
      "published-gate:static",
      "evolutionary",
      "oracle",
    ]);
    expect(document.arms["oracle"]).toMatchObject({
      best_vs_measure_all: { geomean: expect.any(Number) as number, ci: [expect.any(Number), expect.any(Number)] },
      oracle_share: { value: 1, ci: [1, 1] },
      measurements_to_within_5pct: { tasks: expect.any(Number) as number },
      considered_per_measured: expect.any(Number) as number,
      worse_tasks: [],
      gpu_seconds: expect.any(Number) as number,
      usd: 0,
    });
    const oracle = document.arms["oracle"] as { best_vs_measure_all: { geomean: number } };
    expect(oracle.best_vs_measure_all.geomean).toBeGreaterThan(1);
  });

  it("goes on after kill -9 where it was, and says the same as one that was not stopped", async () => {
    const command = [...arguments_, "--arms", "random-subset,evolutionary", "--seeds", "24", "--jobs", "2"];
    const workspace = scratch.next();
    const run = startCli([...command, "--workspace", workspace]);
    const exited = { code: undefined as number | null | undefined };
    void run.result.then(({ code }) => (exited.code = code));
    while (keptLines(workspace).length < 20 && exited.code === undefined)
      await new Promise((done) => setTimeout(done, 5));
    run.child.kill("SIGKILL");
    expect((await run.result).signal).toBe("SIGKILL");
    const before = keptLines(workspace);
    const all = 2 * 4 * 24;
    expect(before.length).toBeLessThan(all);
    // What a write that was cut off leaves behind.
    const root = join(workspace, "bench");
    const state = join(root, readdirSync(root).find((name) => name.startsWith("search-")) as string);
    const file = join(state, readdirSync(state)[0] as string);
    writeFileSync(file, `${readFileSync(file, "utf8")}\n{"key":"[\\"cut`);
    const resumed = await runCli([...command, "--workspace", workspace]);
    const straight = await runCli([...command, "--workspace", scratch.next()]);
    expect(documentOf(resumed)).toEqual(documentOf(straight));
    const after = keptLines(workspace);
    // Whole lines alone count; none was run twice.
    expect(after).toHaveLength(all);
    for (const line of before) expect(after).toContain(line);
    const again = await runCli([...command, "--workspace", workspace]);
    expect(documentOf(again)).toEqual(documentOf(straight));
    expect(keptLines(workspace)).toHaveLength(all);
  });

  it.each(["1", "2"])("ends at Ctrl-C in one line, and keeps what has ended (%s at once)", async (jobs) => {
    const workspace = scratch.next();
    const command = [...arguments_, "--arms", "random-subset,evolutionary", "--seeds", "400", "--jobs", jobs];
    const run = startCli([...command, "--workspace", workspace]);
    const ended = run.result.then(() => true);
    const tick = () => new Promise<false>((done) => setTimeout(() => done(false), 20));
    while (keptLines(workspace).length < 40 && !(await Promise.race([ended, tick()])));
    run.child.kill("SIGINT");
    const { code, stdout, stderr } = await run.result;
    expect({ code, stdout, stderr }).toEqual({
      code: 130,
      stdout: "",
      stderr: expect.stringMatching(
        /^(searches: .*\n)*kernelcast: interrupted; give the same command again to go on\n$/,
      ),
    });
    expect(keptLines(workspace).length).toBeGreaterThanOrEqual(40);
  });

  it("runs new arms and seeds alone, and anything anew on another recording", async () => {
    const workspace = scratch.next();
    const run = (...more: string[]) => runCli([...arguments_, "--workspace", workspace, "--jobs", "1", ...more]);
    await run("--arms", "random-subset", "--seeds", "2");
    expect(keptLines(workspace)).toHaveLength(2 * 3 * 2);
    await run("--arms", "evolutionary,random-subset", "--seeds", "3");
    expect(keptLines(workspace)).toHaveLength(2 * 4 * 3);
    const copy = scratch.next();
    await writeRecording(copy, syntheticRecording({ kernels: 61 }), { format: "jsonl" });
    const another = arguments_.map((word) => (word === folder ? copy : word));
    await runCli([...another, "--workspace", workspace, "--jobs", "1", "--arms", "random-subset", "--seeds", "1"]);
    expect(keptLines(workspace)).toHaveLength(2 * 4 * 3 + 2 * 3);
  });

  it("searches with recorded forecasts and prices them", async () => {
    const path = `${scratch.next()}.jsonl`;
    writeFileSync(path, trueForecasts(60));
    const name = `recorded:${path}`;
    const result = await runCli([...arguments_, "--arms", name, "--seeds", "2", "--workspace", scratch.next()]);
    const { arms } = documentOf(result);
    const usd = arms[name]?.["usd"] as number;
    expect(usd).toBeGreaterThan(0.25 * 12);
    // Both are rounded to five digits.
    expect((arms[name]?.["tokens"] as number) / (400 * usd)).toBeCloseTo(1, 3);
    expect(arms["measure-all"]).toMatchObject({ usd: 0, tokens: 0 });
    // Forecasts that are the truth find most of what the oracle does, which may look further, for its own cost nothing.
    const share = arms[name]?.["oracle_share"] as { value: number };
    expect(share.value).toBeGreaterThan(0.75);
  });

  it("prints a table for people, with the anatomy of the gap, and writes plots", async () => {
    const out = scratch.next();
    const arms = "static,no-adaptation,ours,oracle-calibration,oracle-adaptation";
    const command = ["bench", "search", "--recording", folder, "--measurements", "8", "--seeds", "2", "--arms", arms];
    const { code, stdout, stderr } = await runCli([...command, "--out", out, "--workspace", scratch.next()]);
    const told = stderr.split("\n").filter((line) => !line.startsWith("searches: "));
    expect({ code, told }).toEqual({ code: 0, told: [`wrote ${join(out, "search.json")}`, ""] });
    for (const text of [
      /^ours +\d\.\d{3} \(/m,
      /^oracle +/m,
      /the best kernel of the pool +\d\.\d{3}/,
      /calibrated on the very task/,
    ])
      expect(stdout).toMatch(text);
    expect(readdirSync(out).toSorted()).toEqual([
      "anatomy.svg",
      "best-found-2.svg",
      "best-found.svg",
      "search.json",
      "tasks-2.svg",
      "tasks.svg",
      "within-5-percent-2.svg",
      "within-5-percent.svg",
    ]);
    for (const name of readdirSync(out)) expect(readFileSync(join(out, name), "utf8")).not.toMatch(/NaN|undefined/);
    expect(readFileSync(join(out, "best-found.svg"), "utf8")).toMatch(/<svg [^>]*role="img"[^]*measure-all[^]*ours/);
  });
});

describe("bench search says in one line what is wrong", () => {
  const wrong: readonly (readonly [string, string[], number, RegExp])[] = [
    ["an unknown arm", ["--arms", "orcale"], 2, /--arms orcale: unknown .*did you mean oracle/],
    ["no such recording", ["--recording", "/nowhere"], 1, /\/nowhere/],
    ["an unknown task", ["--tasks", "softmax-f3"], 1, /no task "softmax-f3".*softmax-f32/],
    ["a budget that measures nothing", ["--measurements", "1"], 2, /at least 2/],
    ["forecasts that are not there", ["--arms", "recorded:/nowhere.jsonl", "--tasks", "softmax-f32"], 1, /nowhere/],
  ];
  it.each(wrong)("%s", async (_, flags, code, message) => {
    const result = await runCli(["bench", "search", ...flags, "--seeds", "1", "--workspace", scratch.next()]);
    expect(result.code).toBe(code);
    expect(faultLines(result)).toEqual([expect.stringMatching(message)]);
  });
});
