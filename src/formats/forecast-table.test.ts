import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RecordedForecast, Recording } from "../domain/index.ts";
import { runCommand } from "../testing/run-command.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { checkRecording } from "./check-recording.ts";
import { loadForecasts, saveForecasts } from "./forecast-table.ts";
import { loadRecording } from "./load-recording.ts";
import { mergeRecordings } from "./merge-recordings.ts";
import { writeRecording } from "./write-recording.ts";

let folder = "";
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "kernelcast-forecasts-"))));
afterAll(() => rmSync(folder, { recursive: true }));

const base = syntheticRecording({ kernels: 6 });
const [seed = "", ...others] = base.kernels("synthetic-a").map(({ kernel }) => kernel.kernelId);
const device = base.devices[0] ?? "";

function made(kernelId: string, more: Partial<RecordedForecast> = {}): RecordedForecast {
  const forecast = { kernelId, pOk: 0.875, m: 6.5, sigmaLow: 0.25, sigmaHigh: 0.5 };
  return { forecaster: "someone", forecast, anchorIds: [seed], device, tokens: 12.5, usd: 0.001, ...more };
}

function rounded(forecasts: readonly RecordedForecast[]): unknown {
  return forecasts.map(({ forecast, ...rest }) => ({
    ...rest,
    kernelId: forecast.kernelId,
    numbers: [forecast.pOk, forecast.m, forecast.sigmaLow, forecast.sigmaHigh].map((value) => value.toFixed(4)),
  }));
}

function withForecasts(forecasts: readonly RecordedForecast[]): Recording {
  return { ...base, forecasts };
}

describe.each(["jsonl", "jsonl.gz", "parquet"])("forecasts as %s", (ending) => {
  it("are read as they were saved, and saved beside what is there", async () => {
    const path = join(folder, `a.${ending}`);
    const first = [made(seed, { anchorIds: [] }), made(others[0] ?? "", { promptSha256: "ab" })];
    expect(await saveForecasts(path, first)).toBe(2);
    expect(rounded(await loadForecasts(path))).toEqual(rounded(first));
    const again = made(others[0] ?? "", { tokens: 1 });
    expect(await saveForecasts(path, [again, made(seed, { forecaster: "another" })])).toBe(3);
    const loaded = await loadForecasts(path);
    expect(loaded.map(({ forecaster, tokens }) => [forecaster, tokens])).toEqual([
      ["someone", 12.5],
      ["someone", 1],
      ["another", 12.5],
    ]);
  });
});

describe("a recording with forecasts", () => {
  const forecasts = [made(others[0] ?? ""), made(others[1] ?? "", { forecaster: "another" })];

  it.each(["jsonl", "parquet"] as const)("is read back as %s, also for one task", async (format) => {
    const path = join(folder, `recording-${format}`);
    await writeRecording(path, withForecasts(forecasts), { format });
    expect(rounded((await loadRecording(path)).forecasts ?? [])).toEqual(rounded(forecasts));
    expect((await loadRecording(path, { tasks: ["synthetic-a"] })).forecasts).toHaveLength(2);
    expect((await loadRecording(path, { tasks: ["synthetic-b"] })).forecasts).toBe(undefined);
    expect(await loadForecasts(path)).toHaveLength(2);
    const { stdout } = await runCommand(["recording", "info", path, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ forecasts: { someone: { forecasts: 1, kernels: 1 } } });
    expect((await runCommand(["recording", "info", path])).stdout).toContain("another: 1 forecasts of 1 kernels");
  });

  it("merges with others, equal forecasts once", () => {
    const { recording } = mergeRecordings([withForecasts(forecasts), withForecasts(forecasts.slice(1)), base], "sum");
    expect(recording.forecasts).toEqual(forecasts);
  });

  it("is checked", () => {
    const faulty = [made("unknown"), made(seed, { anchorIds: ["absent"] }), made(seed)];
    const findings = checkRecording(withForecasts(faulty)).filter(({ rule }) => rule === "forecast");
    expect(findings.map(({ severity, message }) => [severity, message])).toEqual([
      ["error", "someone: kernel unknown is not in kernels"],
      ["error", `someone: anchor absent of kernel ${seed} has no ok measurement`],
      ["warning", `someone: kernel ${seed} was its own anchor, so its runtime was known`],
    ]);
    expect(checkRecording(withForecasts(forecasts)).filter(({ rule }) => rule === "forecast")).toEqual([]);
  });
});

describe("a table of forecasts that is wrong", () => {
  const good = { forecaster: "x", kernel_id: "k", p_ok: 0.5, runtime_us: { p10: 1, p50: 2, p90: 3 } };
  it.each<[string, string, RegExp]>([
    ["a missing column", JSON.stringify({ ...good, p_ok: undefined }), /f\.jsonl: required column "p_ok" is missing/],
    ["a p_ok of 2", JSON.stringify({ ...good, p_ok: 2 }), /f\.jsonl:1: p_ok: /],
    [
      "falling quantiles",
      JSON.stringify({ ...good, runtime_us: { p10: 3, p50: 2, p90: 1 } }),
      /f\.jsonl:1: runtime_us: must rise/,
    ],
    ["a time of 0", JSON.stringify({ ...good, runtime_us: { p10: 0, p50: 2, p90: 3 } }), /runtime_us\.p10: /],
    ["no JSON", "hello", /f\.jsonl:1: not JSON/],
  ])("%s is one line", async (_, text, message) => {
    const path = join(folder, "f.jsonl");
    writeFileSync(path, `${text}\n`);
    await expect(loadForecasts(path)).rejects.toThrow(message);
    expect(readFileSync(path, "utf8")).toBe(`${text}\n`);
  });

  it("or not there is one line", async () => {
    await expect(loadForecasts(join(folder, "none.jsonl"))).rejects.toThrow(/none\.jsonl: no such file or folder/);
    writeFileSync(join(folder, "f.csv"), "");
    await expect(loadForecasts(join(folder, "f.csv"))).rejects.toThrow(/f\.csv: a table of forecasts ends in/);
    const empty = mkdtempSync(join(folder, "empty-"));
    await expect(loadForecasts(empty)).rejects.toThrow(/holds no forecasts\.parquet/);
    await expect(saveForecasts(join(folder, "f.csv"), [])).rejects.toThrow(/give a file that ends in/);
  });
});
