import { describe, expect, it } from "vitest";
import type { BatchRequest } from "../domain/index.ts";
import { readBatchAnswers } from "./batch-answers.ts";
import { encodeBatch } from "./batch-requests.ts";

const read = (...lines: readonly unknown[]) =>
  readBatchAnswers(lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"), "a.jsonl");

const openAi = (message: object, extra: object = {}) => ({
  id: "batch_req_1",
  custom_id: "a",
  response: {
    status_code: 200,
    body: {
      choices: [{ index: 0, message: { role: "assistant", ...message }, ...extra }],
      usage: { prompt_tokens: 100, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 40 } },
    },
  },
  error: null,
});

describe("answers of a batch", () => {
  it("are read in the format of OpenAI, with alternatives of the first token", () => {
    const usage = { inputTokens: 100, cachedInputTokens: 40, outputTokens: 7 };
    expect(read(openAi({ content: "x" })).answers.get("a")).toEqual({ text: "x", usage });
    const logprobs = { content: [{ token: "G", top_logprobs: [{ token: "G", logprob: -0.1 }] }] };
    expect(read(openAi({ content: "G" }, { logprobs })).answers.get("a")).toEqual({
      text: "G",
      usage,
      firstToken: [{ token: "G", logprob: -0.1 }],
    });
    expect(read(openAi({ content: null, refusal: "No." })).answers.get("a")).toEqual({
      fault: "refused",
      message: "No.",
      usage,
    });
    const failed = { custom_id: "b", response: { status_code: 400, body: { error: { message: "bad\nrequest" } } } };
    expect(read(failed).answers.get("b")).toMatchObject({ fault: "other", message: "bad request" });
  });

  it("are read in the format of Anthropic", () => {
    const message = {
      content: [
        { type: "thinking", thinking: "hm" },
        { type: "text", text: '{"a"' },
        { type: "text", text: ": 1}" },
      ],
      stop_reason: "end_turn",
      usage: { input_tokens: 10, cache_read_input_tokens: 90, output_tokens: 5 },
    };
    const { answers, faults } = read(
      { custom_id: "a", result: { type: "succeeded", message } },
      {
        custom_id: "b",
        result: { type: "errored", error: { type: "error", error: { type: "x", message: "too long" } } },
      },
      { custom_id: "c", result: { type: "expired" } },
      { custom_id: "d", result: { type: "succeeded", message: { ...message, stop_reason: "refusal", content: [] } } },
    );
    expect(faults).toEqual([]);
    expect(answers.get("a")).toEqual({
      text: '{"a": 1}',
      usage: { inputTokens: 100, cachedInputTokens: 90, outputTokens: 5 },
    });
    expect(answers.get("b")).toMatchObject({ fault: "other", message: "too long" });
    expect(answers.get("c")).toMatchObject({ fault: "other", message: "the batch says: expired" });
    expect(answers.get("d")).toMatchObject({ fault: "refused" });
  });

  it("are read in plain lines, as text or as the object itself", () => {
    const { answers } = read(
      { custom_id: "a", text: "x", usage: { input_tokens: 3, output_tokens: 2 } },
      { custom_id: "b", answer: { forecasts: [] } },
      { custom_id: "c", error: "could not" },
    );
    expect(answers.get("a")).toEqual({ text: "x", usage: { inputTokens: 3, cachedInputTokens: 0, outputTokens: 2 } });
    expect(answers.get("b")).toMatchObject({ text: '{"forecasts":[]}' });
    expect(answers.get("c")).toMatchObject({ fault: "other", message: "could not" });
  });

  it("that are of no use are a line each, and the others stand", () => {
    const { answers, faults } = read(
      "{half",
      "",
      7,
      { text: "x" },
      { custom_id: "a" },
      { custom_id: "a", text: "1" },
      {
        custom_id: "a",
        text: "2",
      },
    );
    expect(answers.get("a")).toMatchObject({ text: "2" });
    expect(faults).toHaveLength(5);
    expect(faults.every((line) => /^a\.jsonl:\d+: [^\n]+$/.test(line))).toBe(true);
    expect(faults[0]).toBe("a.jsonl:1: not JSON: {half");
    expect(faults[2]).toMatch(/^a\.jsonl:4: custom_id: /);
    expect(faults[4]).toBe("a.jsonl:7: a second answer to a; it stands");
  });
});

describe("a batch of prompts", () => {
  const request: BatchRequest = {
    customId: "id",
    request: { purpose: "forecast", system: "s", prompt: "p", schema: { type: "object" }, maxTokens: 9, logprobs: 5 },
  };

  it("is what each provider takes", () => {
    const [line] = encodeBatch([request, request], "openai", "m")
      .trim()
      .split("\n")
      .map((one) => JSON.parse(one) as unknown);
    expect(line).toMatchObject({
      custom_id: "id",
      method: "POST",
      url: "/v1/chat/completions",
      body: {
        model: "m",
        max_completion_tokens: 9,
        logprobs: true,
        top_logprobs: 5,
        response_format: { type: "json_schema" },
      },
    });
    expect(JSON.parse(encodeBatch([request, request], "anthropic", "m"))).toEqual({
      requests: [request, request].map(() => ({
        custom_id: "id",
        params: { model: "m", max_tokens: 9, system: "s", messages: [{ role: "user", content: "p" }] },
      })),
    });
    expect(JSON.parse(encodeBatch([request], "plain", "m"))).toMatchObject({
      custom_id: "id",
      system: "s",
      prompt: "p",
    });
    expect(JSON.parse(encodeBatch([], "anthropic", "m"))).toEqual({ requests: [] });
  });
});
