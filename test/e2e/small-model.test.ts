/** The real program with a real, small model in its process, see `npm run fetch:test-model`. Slow; skipped where the model is absent. */
import { afterAll, describe, expect, it } from "vitest";
import { testModelFile, testModelLacks } from "../../scripts/test-model/place.ts";
import { formNames } from "../../src/forecast/llm/form.ts";
import { createLanguageModels } from "../../src/language-model/index.ts";
import type { SearchResult } from "../../src/serve/search-task.ts";
import { runCli, scratchFolder } from "./run-cli.ts";

const lacks = testModelLacks();
if (lacks !== undefined) process.stderr.write(`small-model.test.ts is skipped: ${lacks}\n`);

const model = `gguf:${testModelFile()}`;
/** Minutes on a machine of a few cores. */
const timeout = 1_200_000;
const scratch = scratchFolder("small-model");
afterAll(() => scratch.remove());

interface Evaluated {
  readonly kernels: number;
  readonly missing_forecasts: number;
  readonly cost: { readonly tokens: number; readonly usd: number };
}

describe.skipIf(lacks !== undefined)("a real small model", () => {
  it.each(formNames)("is asked in the form %s, for nothing", { timeout }, async (form) => {
    const forecaster = `${model}?form=${form}&thinking=200&samples=2&list=2`;
    const budget = ["--usd", "0.000001", "--workspace", scratch.next()];
    const args = ["evaluate", "--tasks", "softmax-f32", "--per-task", "2", "--forecaster", forecaster];
    const { code, stdout, stderr } = await runCli([...args, ...budget, "--json"]);
    expect(stderr).not.toMatch(/budget|gave no answer/);
    expect(code).toBe(0);
    const { kernels, cost } = JSON.parse(stdout) as Evaluated;
    expect(kernels).toBe(2);
    expect(cost.usd).toBe(0);
    expect(cost.tokens).toBeGreaterThan(1000);
  });

  it("proposes kernels, whatever they are worth", { timeout }, async () => {
    const args = ["search", "softmax-f32", "--proposer", model, "--forecaster", "static", "--measurements", "2"];
    const { code, stdout } = await runCli([...args, "--tokens", "40000", "--workspace", scratch.next(), "--json"]);
    expect(code).toBe(0);
    const document = JSON.parse(stdout) as SearchResult;
    const calls = document.language_models?.find(({ purpose }) => purpose === "propose");
    expect(calls?.calls).toBeGreaterThan(0);
  });

  it("mends an answer, reads what is common once, and can be interrupted", { timeout }, async () => {
    const usages: { readonly inputTokens: number; readonly cachedInputTokens: number }[] = [];
    const models = createLanguageModels({ onCall: ({ usage }) => usages.push(usage) });
    const opened = await models.open(model);
    const schema = {
      type: "object",
      additionalProperties: false,
      required: ["p_ok"],
      properties: { p_ok: { type: "number" } },
    };
    const system = "Answer with a JSON object.";
    const shared = "float a = b + c;\n".repeat(20);
    const ask = (prompt: string, signal?: AbortSignal) =>
      opened.generate({ purpose: "forecast", system, prompt: shared + prompt, schema, maxTokens: 40 }, signal);
    const first = await ask('Say {"p_ok": 0.5}.');
    const second = await ask('Say {"p_ok": 0.5}. An earlier answer to this could not be used: p_ok was 7.');
    for (const outcome of [first, second]) {
      expect(outcome).toMatchObject({ kind: "text", usd: 0 });
      if (outcome.kind === "text") expect(Object.keys(JSON.parse(outcome.text) as object)).toEqual(["p_ok"]);
    }
    expect(usages[1]?.cachedInputTokens).toBeGreaterThan(100);
    expect(await ask("x y ".repeat(9000))).toMatchObject({ kind: "failed", fault: "context" });
    const controller = new AbortController();
    const interrupted = ask("x y ".repeat(2000), controller.signal);
    setTimeout(() => controller.abort(), 500);
    await expect(interrupted).rejects.toMatchObject({ code: "interrupted" });
    expect(await ask("Say hello.")).toMatchObject({ kind: "text" });
    await opened.close?.();
  });
});
