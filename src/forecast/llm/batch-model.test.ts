import { describe, expect, it } from "vitest";
import type { BatchAnswer, GenerateRequest } from "../../domain/index.ts";
import { createBatchModel } from "./batch-model.ts";
import { promptHash } from "./prompt-hash.ts";

const request: GenerateRequest = { purpose: "forecast", system: "s".repeat(40), prompt: "p".repeat(360), maxTokens: 9 };
const price = { inputUsd: 1, cachedInputUsd: 0.1, outputUsd: 10, asOf: "2026-01-01" };
const withAnswer = (answer: BatchAnswer) =>
  createBatchModel({ name: "plain:m", answers: new Map([[promptHash(request), answer]]), price });

describe("a model whose answers come in files", () => {
  it("keeps the prompts that have no answer, each once, by a hash of what is read", async () => {
    const model = createBatchModel({ name: "plain:m", answers: new Map() });
    await model.generate(request);
    expect(await model.generate({ ...request, maxTokens: 99 })).toMatchObject({ kind: "failed", fault: "other" });
    await model.generate({ ...request, seed: 2 });
    expect([...model.pending.keys()]).toEqual([promptHash(request), promptHash({ ...request, seed: 2 })]);
    expect(model.pending.get(promptHash(request))?.customId).toMatch(/^[0-9a-f]{64}$/);
  });

  it("answers with what the file says, at its price", async () => {
    const usage = { inputTokens: 1000, cachedInputTokens: 400, outputTokens: 100 };
    const outcome = await withAnswer({ text: "x", usage }).generate(request);
    expect(outcome).toMatchObject({ kind: "text", text: "x", usage });
    expect(outcome.usd).toBeCloseTo((600 + 40 + 1000) / 1e6, 12);
    const failed = await withAnswer({ fault: "refused", message: "no", usage }).generate(request);
    expect(failed).toMatchObject({ kind: "failed", fault: "refused", message: "no" });
  });

  it("estimates the tokens of an answer that does not tell them", async () => {
    const usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
    const outcome = await withAnswer({ text: "x".repeat(41), usage }).generate(request);
    expect(outcome.usage).toEqual({ inputTokens: 100, cachedInputTokens: 0, outputTokens: 11 });
  });

  it("can be cancelled", async () => {
    const model = createBatchModel({ name: "plain:m", answers: new Map() });
    await expect(model.generate(request, AbortSignal.abort())).rejects.toThrow("aborted");
    expect(model.pending.size).toBe(0);
  });
});
