/** The report on searches with a coding agent's candidates: on what is published, and on a small run made here. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportRun } from "../../scripts/export-run.ts";
import { judgeGate } from "../../scripts/external/judge-gate.ts";
import { readExternalRun } from "../../scripts/external/read-external-run.ts";
import { externalPage, externalRunFolders, hindsightDocument } from "../../scripts/external-report.ts";
import { mainDevice, toWireLaunches, type RecordedKernel } from "../../src/domain/index.ts";
import { loadRecording } from "../../src/formats/load-recording.ts";
import { submit } from "../../src/serve/submit/submit.ts";
import { scratchFolder } from "../e2e/run-cli.ts";
import { waitingSearchOf } from "../e2e/waiting-search.ts";

const folders = externalRunFolders();
if (folders.length === 0) console.warn("skipped: there are no published searches with a coding agent's candidates yet");

describe.skipIf(folders.length === 0)("the published searches with a coding agent's candidates", () => {
  it.each(folders)("%s follow from their logs, with their receipts, on at least 40 candidates", async (folder) => {
    const run = await readExternalRun(folder);
    expect(run.candidates.length).toBeGreaterThanOrEqual(40);
    expect(run.candidates.every(({ forecast }) => forecast)).toBe(true);
    expect([...run.search.receipts, ...run.hindsight.receipts].every(({ controls_ok: ok }) => ok)).toBe(true);
    const published = JSON.parse(readFileSync(join(folder, "hindsight.json"), "utf8")) as unknown;
    expect(published).toEqual(JSON.parse(JSON.stringify(hindsightDocument(run))));
  });

  it("are of at least two tasks", () => {
    expect(folders.length).toBeGreaterThanOrEqual(2);
  });
});

describe("a small search, reported", () => {
  const scratch = scratchFolder("external-report");
  afterAll(() => scratch.remove());
  const folder = join(scratch.path, "softmax-f32");
  let truth: ReadonlyMap<string, number | undefined>;
  let handedIn: readonly RecordedKernel[];

  async function runOf(out: string, ...flags: string[]): Promise<void> {
    const { workspace, result } = await waitingSearchOf("softmax-f32", scratch.next(), ...flags);
    const kernels = handedIn.map(({ kernel }, index) => ({ name: `c${index}.cu`, ...kernel }));
    for (const half of [kernels.slice(0, 8), kernels.slice(8)])
      await submit({ workspace, runId: "mine", kernels: half, wait: true, timeoutSeconds: 60 });
    await submit({ workspace, runId: "mine", kernels: [], last: true });
    expect((await result).code).toBe(0);
    exportRun(workspace, "mine", out);
  }

  beforeAll(async () => {
    const atlas = await loadRecording("atlas", { tasks: ["softmax-f32"] });
    const task = atlas.tasks.get("softmax-f32")?.task;
    if (!task) throw new Error("the atlas has no softmax");
    const measured = atlas.measurements("softmax-f32", mainDevice(atlas) ?? "");
    truth = new Map([...measured].map(([id, one]) => [id, one.runtime?.medianUs]));
    const plain = JSON.stringify(task.seedKernel.compileOptions);
    handedIn = atlas
      .kernels("softmax-f32")
      .filter(({ kernel: { kernelId, compileOptions } }) => {
        return kernelId !== task.seedKernel.kernelId && JSON.stringify(compileOptions) === plain;
      })
      .slice(0, 16);
    await runOf(folder, "--measurements", "9");
    await runOf(join(folder, "hindsight"), "--policy", "measure-all", "--measurements", "40");
    const sources = join(folder, "candidates");
    mkdirSync(sources);
    handedIn.forEach(({ kernel }, index) => {
      writeFileSync(join(sources, `c${index}.cu`), kernel.source);
      writeFileSync(join(sources, `c${index}.yaml`), JSON.stringify(toWireLaunches(kernel, task.workload)));
    });
    writeFileSync(join(sources, "never.cu"), `${task.seedKernel.source}\n__device__ int never_handed_in;\n`);
  }, 120_000);

  it("tells what was missed, spared and found, by the truth of every candidate", async () => {
    const run = await readExternalRun(folder);
    const gate = judgeGate(run);
    expect(run.notConsidered).toEqual(["never.cu"]);
    const ids = new Set(run.candidates.map(({ kernelId }) => kernelId));
    const times = handedIn.flatMap(({ kernel }) => {
      const us = truth.get(kernel.kernelId);
      return ids.has(kernel.kernelId) && us !== undefined ? [us] : [];
    });
    // A search's screening is the first pass of the recording, its truth all passes: they agree within the noise.
    expect((gate.fastestOfAll?.hindsight?.us ?? 0) / Math.min(...times)).toBeCloseTo(1, 1);
    const measured = run.candidates.filter((one) => one.measured).length;
    expect(gate.spared).toBe(run.candidates.length - measured);
    expect(gate.spared).toBeGreaterThan(0);
    const wins = run.candidates.filter(
      ({ hindsight, incumbentUs = 0 }) => (hindsight?.us ?? Infinity) <= incumbentUs / 1.02,
    );
    expect(gate.wins).toBe(wins.length);
    expect(gate.missed).toEqual(wins.filter(({ decision }) => decision?.action === "skip"));
    expect(gate.forecasts).toBe(run.candidates.length);
    expect(gate.pairwise).toBeGreaterThan(0.5);
    expect(gate.coverage80).toBeGreaterThan(0);
    const page = externalPage([run]);
    expect(page).toMatch(/\| softmax-f32 +\| 16 /);
    expect(page).toContain("`c3.cu`");
    expect(page).not.toMatch(/undefined|NaN/);
    expect(hindsightDocument(run)).toMatchObject({ task: "softmax-f32", wins: gate.wins });
  });

  it("is refused when a decision of its log was changed", async () => {
    const path = join(folder, "events.jsonl.gz");
    const log = readFileSync(path);
    try {
      const text = gunzipSync(log).toString();
      expect(text).toContain('"action":"skip"');
      writeFileSync(path, gzipSync(text.replace('"action":"skip"', '"action":"measure"')));
      await expect(readExternalRun(folder)).rejects.toThrow(/does not follow/);
    } finally {
      writeFileSync(path, log);
    }
  });
});
