import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeKernel } from "../domain/index.ts";
import { collectRuns } from "../formats/worker-responses.ts";
import { quoteWord } from "../process/shell-words.ts";
import { scriptedWorker, smallKernel, smallTask, type ScriptedWorker } from "../testing/fake-workers/scripted.ts";
import { measurePasses, type MeasurePassesOptions } from "./measure-passes.ts";

const root = mkdtempSync(join(tmpdir(), "kernelcast-passes-"));
afterAll(() => rmSync(root, { recursive: true }));

let folders = 0;

function options(worker: ScriptedWorker, changes: Partial<MeasurePassesOptions> = {}): MeasurePassesOptions {
  const folder = join(root, String(folders++));
  const python = `${folder}.sh`;
  writeFileSync(python, `#!/bin/sh\nexec ${worker.argv.map(quoteWord).join(" ")}\n`);
  chmodSync(python, 0o755);
  const kernels = ["a", "b", "c", "d"].map(smallKernel);
  return {
    task: smallTask,
    kernels,
    device: "local",
    passes: 1,
    folder,
    seed: 1,
    python,
    env: worker.env,
    ...changes,
  };
}

const measuredIds = (worker: ScriptedWorker): string[] => worker.log().filter((line) => line.startsWith("measure "));
const starts = (worker: ScriptedWorker): number => worker.log().filter((line) => line === "start").length;

describe("measurePasses", () => {
  it("starts a worker for each pass and asks for each kernel once in each", async () => {
    const worker = scriptedWorker("good");
    const chosen = options(worker, { passes: 2 });
    const runs = await measurePasses(chosen);
    expect(runs.map(({ pass, answers, device }) => [pass, answers.length, device?.name])).toEqual([
      [1, 4, "Scripted GPU"],
      [2, 4, "Scripted GPU"],
    ]);
    expect(starts(worker)).toBe(2);
    expect(measuredIds(worker)).toHaveLength(8);
    expect(await measurePasses(chosen)).toEqual(runs);
    expect(starts(worker)).toBe(2);
  });

  it("keeps a file per pass, apart for other kernels, devices and seeds", async () => {
    const worker = scriptedWorker("good");
    const chosen = options(worker);
    await measurePasses(chosen);
    await measurePasses({ ...chosen, kernels: chosen.kernels.slice(1) });
    await measurePasses({ ...chosen, seed: 2 });
    expect(readdirSync(chosen.folder)).toHaveLength(3);
    await measurePasses({ ...chosen, kernels: chosen.kernels.toReversed() });
    expect(readdirSync(chosen.folder)).toHaveLength(3);
  });

  it("measures only what an interrupted pass lacks", async () => {
    const worker = scriptedWorker("good");
    const chosen = options(worker);
    const [run] = await measurePasses(chosen);
    const [name = ""] = readdirSync(chosen.folder);
    const lines = readFileSync(join(chosen.folder, name), "utf8").trimEnd().split("\n");
    writeFileSync(join(chosen.folder, name), `${lines.slice(0, 3).join("\n")}\n${lines[3]?.slice(0, 20)}`);
    const [again] = await measurePasses(chosen);
    expect(measuredIds(worker)).toHaveLength(6);
    const ids = (answers: readonly { kernel_id: string }[] = []): string[] =>
      answers.map((one) => one.kernel_id).sort();
    expect(ids(again?.answers)).toEqual(ids(run?.answers));
  });

  it("does not go on with another device", async () => {
    const chosen = options(scriptedWorker("good"));
    await measurePasses(chosen);
    const [name = ""] = readdirSync(chosen.folder);
    const path = join(chosen.folder, name);
    const [description = "", first = ""] = readFileSync(path, "utf8").split("\n");
    writeFileSync(path, `${description.replace("Scripted GPU", "Another GPU")}\n${first}\n`);
    await expect(measurePasses(chosen)).rejects.toThrow(/was measured on Another GPU, but this is Scripted GPU/);
  });

  it("keeps a verdict on kernels that the worker has none of", async () => {
    const worker = scriptedWorker("die-on:deadly");
    const launch = { ...smallKernel("a").launches[0], grid: ["ceil_div(n, BLOCK)", 1, 1] } as never;
    const unlaunchable = makeKernel(
      { ...smallKernel("x"), launches: [launch], compileOptions: [] },
      { n: 1024, BLOCK: 8 },
    );
    const kernels = [smallKernel("a"), smallKernel("deadly"), unlaunchable];
    const chosen = options(worker, { kernels });
    const { measurements } = collectRuns(await measurePasses(chosen));
    const found = kernels.map(({ kernelId }) => measurements.find((one) => one.kernelId === kernelId));
    expect(found.map((one) => [one?.status, one?.device])).toEqual([
      ["ok", "Scripted GPU"],
      ["crashed", "Scripted GPU"],
      ["launch_error", "Scripted GPU"],
    ]);
    expect(found[2]?.error).toMatch(/launch: .*BLOCK/);
  });

  it("stops when asked to, and says how it goes on", async () => {
    const stop = new AbortController();
    const chosen = options(scriptedWorker("silent"), { signal: stop.signal });
    setTimeout(() => stop.abort(), 500);
    await expect(measurePasses(chosen)).rejects.toMatchObject({
      code: "interrupted",
      message: expect.stringMatching(/interrupted in pass 1; the same command goes on/) as string,
    });
  });
});
