import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadForecasts } from "../../formats/forecast-table.ts";
import { evaluateRecording } from "../evaluate-recording.ts";
import { checkBatch, type BatchFiles } from "./batch.ts";
import { forecastRecording, type ForecastRecordingRequest } from "./forecast-recording.ts";

const folder = mkdtempSync(join(tmpdir(), "kernelcast-batch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const common = {
  recording: "atlas",
  tasks: ["softmax-f32", "jacobi2d-f32"],
  view: "start",
  evidence: true,
  perTask: 30,
  seed: 1,
} as const;

function run(batch: BatchFiles, more: Partial<ForecastRecordingRequest> = {}) {
  return forecastRecording({ ...common, forecaster: "plain:reader?list=10", batch, cwd: folder, ...more });
}

interface PlainPrompt {
  readonly custom_id: string;
  readonly prompt: string;
}

function readPrompts(name: string): PlainPrompt[] {
  const lines = readFileSync(join(folder, name), "utf8").trim().split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as PlainPrompt);
}

/** Longer sources are called faster; `wrong` are left out. */
function answerTo({ prompt }: { readonly prompt: string }, wrong: readonly string[] = []): object {
  const asked = prompt.slice(prompt.lastIndexOf("\nForecast ")).match(/K\d+/g) ?? [];
  const forecasts = asked.flatMap((kernel) => {
    if (wrong.includes(kernel)) return [{ kernel, p_ok: 0.9, us_p10: 9, us_p50: 5, us_p90: 1 }];
    const length = (prompt.split(` ${kernel}\n`)[1] ?? "").split(">>>")[0]?.length ?? 0;
    const us = 1e6 / (100 + length);
    return [{ kernel, p_ok: 0.9, us_p10: 0.5 * us, us_p50: us, us_p90: 2 * us }];
  });
  return { forecasts };
}

function writeAnswers(name: string, lines: readonly (object | string)[]): void {
  writeFileSync(
    join(folder, name),
    lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
  );
}

describe("a batch over a recording", () => {
  it("costs half of the list price, where that is known", async () => {
    const priced = { forecaster: "anthropic:claude-haiku-4-5?list=10" };
    await run({ in: [], out: "priced.jsonl", format: "plain" }, priced);
    const usage = { input_tokens: 1000, output_tokens: 100 };
    const prompts = readPrompts("priced.jsonl");
    writeAnswers(
      "priced-answers.jsonl",
      prompts.map((one) => ({ custom_id: one.custom_id, answer: answerTo(one), usage })),
    );
    const { cost } = await run({ in: ["priced-answers.jsonl"], format: "plain" }, priced);
    // 1 USD for a million tokens of input and 5 of output, halved.
    expect(cost).toMatchObject({ tokens: prompts.length * 1100 });
    expect(cost.usd).toBeCloseTo((prompts.length * (1000 * 0.5 + 100 * 2.5)) / 1e6, 10);
  });

  it("goes out, comes back, is asked again where it was wrong, and is scored", async () => {
    const out = await run({ in: [], out: "prompts.jsonl" });
    expect(out.batch).toMatchObject({ prompts: 6, answered: 0, pending: 6 });
    expect(out.asked).toBe(60);
    const prompts = readPrompts("prompts.jsonl");
    expect(new Set(prompts.map((one) => one.custom_id)).size).toBe(6);
    expect(await run({ in: [], out: "again.jsonl" }).then(() => readPrompts("again.jsonl"))).toEqual(prompts);

    const answers = prompts.map((one, index) => ({
      custom_id: one.custom_id,
      answer: answerTo(one, index === 0 ? ["K02"] : []),
      usage: { input_tokens: 1000, output_tokens: 100 },
    }));
    writeAnswers("answers.jsonl", ["not json", ...answers, { custom_id: "f00", text: "stray" }]);
    const first = await run({ in: ["answers.jsonl"], out: "repair.jsonl" }, { save: "first.jsonl" });
    expect(first.batch).toMatchObject({ prompts: 7, answered: 6, pending: 1 });
    expect(first.batch?.notes).toEqual([
      "answers.jsonl:1: not JSON: not json",
      "1 answer belongs to no prompt of this command (f00): was it made with other flags?",
    ]);
    expect(first.forecasts).toHaveLength(59);
    expect(first.faults).toEqual({ order: 1, unanswered: 1 });

    const [repair] = readPrompts("repair.jsonl");
    expect(repair?.prompt).toContain("K02: us_p10, us_p50 and us_p90 must ascend");
    writeAnswers("repaired.jsonl", [
      { custom_id: repair?.custom_id, text: JSON.stringify(answerTo(repair ?? { prompt: "" })) },
    ]);
    const last = await run({ in: ["answers.jsonl", "repaired.jsonl"] }, { save: "forecasts.jsonl" });
    expect(last.forecasts).toHaveLength(60);
    // Six answers tell their tokens; the seventh's are estimated.
    expect(last.cost.tokens).toBeGreaterThan(6600 + 500);

    const saved = await loadForecasts(join(folder, "forecasts.jsonl"));
    const hashes = new Set([...prompts, ...(repair ? [repair] : [])].map((one) => one.custom_id));
    expect(saved.every(({ promptSha256 = "" }) => hashes.has(promptSha256))).toBe(true);

    const { evaluations } = await evaluateRecording({ ...common, forecasters: [`recorded:${folder}/forecasts.jsonl`] });
    expect(evaluations[0]?.judged.map(({ judged, missing }) => [judged.length, missing])).toEqual([
      [30, 0],
      [30, 0],
    ]);
  }, 60_000);

  it("is a folder of texts for a reader who has nothing else", async () => {
    await run({ in: [], out: "reader" }, { tasks: ["softmax-f32"] });
    const names = readdirSync(join(folder, "reader"));
    expect(names).toHaveLength(3);
    const recorded = readFileSync(join(folder, "reader", names[0] ?? ""), "utf8");
    expect(recorded).toContain("You forecast how long CUDA kernels take");
    expect(recorded).not.toMatch(/template_id|origin|\b[0-9a-f]{16}\b/);
    for (const name of names) {
      const prompt = readFileSync(join(folder, "reader", name), "utf8").trim();
      const answer = name.replace(".prompt.txt", ".answer.json");
      writeFileSync(join(folder, "reader", answer), `Here:\n${JSON.stringify(answerTo({ prompt }))}`);
    }
    const { forecasts } = await run({ in: ["reader"] }, { tasks: ["softmax-f32"], save: "reader.jsonl" });
    expect(forecasts).toHaveLength(30);
  }, 60_000);
});

describe("a batch that cannot be", () => {
  it.each([
    ["static", {}, "a batch is for a language model"],
    ["openai:", {}, "name a model"],
    ["openai:m?form=bits", {}, 'unknown form "bits"'],
    ["openai:m", { out: "folder" }, "a batch of the format openai is a file"],
  ])("is refused in a line: %s", (text, files, why) => {
    expect(() => checkBatch(text, { in: [], ...files }, folder)).toThrow(why);
  });

  it("names answers that are not there", async () => {
    await expect(run({ in: ["none.jsonl"] }, { save: "x.jsonl" })).rejects.toThrow(
      "cannot read the answers none.jsonl: no such file",
    );
  });
});
