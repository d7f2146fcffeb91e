import { afterEach, describe, expect, it } from "vitest";
import type { GenerateRequest, LanguageModelCall } from "../domain/index.ts";
import {
  startFakeLanguageModelServer,
  type FakeLanguageModelServer,
  type FakeLanguageModelServerOptions,
} from "../testing/fake-language-model-server.ts";
import { createLanguageModels, type LanguageModelsOptions } from "./language-models.ts";
import { createMemoryAnswerStore } from "./memory-answer-store.ts";

const servers: FakeLanguageModelServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(options: FakeLanguageModelServerOptions = {}): Promise<FakeLanguageModelServer> {
  const server = await startFakeLanguageModelServer(options);
  servers.push(server);
  return server;
}

const request = (prompt: string, rest: Partial<GenerateRequest> = {}): GenerateRequest => ({
  purpose: "forecast",
  system: "Answer with microseconds.",
  prompt,
  maxTokens: 50,
  ...rest,
});

/** Waits end at once, and are remembered. */
function hastyClock() {
  const waits: number[] = [];
  let now = 0;
  return {
    waits,
    now: () => now,
    sleep: (seconds: number) => {
      waits.push(seconds);
      now += seconds;
      return Promise.resolve();
    },
  };
}

async function openAt(server: FakeLanguageModelServer, options: LanguageModelsOptions = {}) {
  const calls: LanguageModelCall[] = [];
  const clock = hastyClock();
  const models = createLanguageModels({ environment: {}, clock, onCall: (call) => calls.push(call), ...options });
  const model = await models.open(server.specification());
  calls.length = 0;
  clock.waits.length = 0;
  return { model, models, calls, clock };
}

const price = { inputUsd: 10, cachedInputUsd: 1, outputUsd: 100, asOf: "2026-11-26" };

describe("a language model behind a compatible server", () => {
  it("answers, with usage, cost and the call's report", async () => {
    const server = await start({
      answer: ({ prompt, system }) => ({
        text: `${system} / ${prompt}`,
        usage: { inputTokens: 1000, cachedInputTokens: 400, outputTokens: 20 },
      }),
    });
    const { model, calls } = await openAt(server, { abilities: { price } });
    const outcome = await model.generate(request("kernel A"));
    expect(outcome).toMatchObject({
      kind: "text",
      text: "Answer with microseconds. / kernel A",
      usage: { inputTokens: 1000, cachedInputTokens: 400, outputTokens: 20 },
      kept: false,
    });
    expect(outcome.usd).toBeCloseTo((600 * 10 + 400 * 1 + 20 * 100) / 1e6, 12);
    expect(calls).toMatchObject([{ purpose: "forecast", attempts: 1, kept: false, usd: outcome.usd }]);
  });

  it("gives the alternatives of the first token, and a schema to servers that hold answers to it", async () => {
    const firstToken = Array.from({ length: 20 }, (_, place) => ({ token: String(place), logprob: -1 - place }));
    const server = await start({ answer: ({ schema }) => (schema ? '{"us":7}' : { text: "0 and more", firstToken }) });
    const { model } = await openAt(server);
    const bins = await model.generate(request("which bin?", { maxTokens: 1, logprobs: 12 }));
    expect(bins).toMatchObject({ kind: "text", firstToken: firstToken.slice(0, 12) });
    const schema = { type: "object", properties: { us: { type: "number" } }, required: ["us"] };
    expect(await model.generate(request("listed", { schema }))).toMatchObject({ text: '{"us":7}' });
    expect(server.requests.map((asked) => [asked.logprobs, asked.maxTokens, asked.schema])).toEqual([
      [12, 1, undefined],
      [undefined, 50, schema],
    ]);
  });

  it("finds out what a server can do, and asks for no more", async () => {
    const able = await openAt(await start({ contextTokens: 4096 }));
    expect(able.model.abilities).toMatchObject({ schemas: true, logprobs: 20, contextTokens: 4096, price: undefined });
    const five = await openAt(await start({ logprobs: 5 }));
    expect(five.model.abilities.logprobs).toBe(5);
    const server = await start({ schemas: false, logprobs: 0 });
    const plain = await openAt(server);
    expect(plain.model.abilities).toMatchObject({ schemas: false, logprobs: 0, contextTokens: undefined });
    await plain.model.generate(request("x", { schema: { type: "object" }, logprobs: 10 }));
    expect(server.requests).toMatchObject([{ schema: undefined, logprobs: undefined }]);
  });

  it("makes no call for what was asked before, in this run or an earlier one", async () => {
    const answers = createMemoryAnswerStore();
    const server = await start({ answer: ({ index }) => `answer ${index}` });
    const first = await openAt(server, { answers });
    const made = await first.model.generate(request("a"));
    const again = await first.model.generate(request("a", { purpose: "repair" }));
    expect(again).toMatchObject({ text: "answer 0", kept: true, usd: 0, usage: { inputTokens: 0, outputTokens: 0 } });
    expect(first.calls.map(({ kept, attempts }) => [kept, attempts])).toEqual([
      [false, 1],
      [true, 0],
    ]);
    const probes = server.probes;
    const second = await openAt(server, { answers });
    expect(await second.model.generate(request("a"))).toMatchObject({ text: "answer 0", kept: true });
    expect([server.requests.length, server.probes]).toEqual([1, probes]);
    expect(second.model.abilities).toEqual(first.model.abilities);
    expect(made).toMatchObject({ kept: false });
    const other = await Promise.all([1, 2].map((seed) => second.model.generate(request("a", { seed }))));
    const texts = other.map((outcome) => outcome.kind === "text" && outcome.text);
    expect(new Set(texts)).toEqual(new Set(["answer 1", "answer 2"]));
  });

  it("asks once where equal requests meet, and fails them alike", async () => {
    const server = await start({
      latencyMs: 30,
      answer: ({ prompt }) => (prompt === "bad" ? { status: 400, message: "no" } : "one"),
    });
    const { model } = await openAt(server);
    const same = await Promise.all([1, 2, 3].map(() => model.generate(request("same"))));
    expect(same.map((outcome) => outcome.kind === "text" && outcome.kept)).toEqual([false, true, true]);
    const bad = await Promise.all([1, 2].map(() => model.generate(request("bad"))));
    expect(bad.map(({ kind }) => kind)).toEqual(["failed", "failed"]);
    expect(server.requests).toHaveLength(2);
  });

  it("keeps to the concurrency, over all models of a server", async () => {
    const server = await start({ latencyMs: 10 });
    const models = createLanguageModels({ environment: {}, limits: { concurrency: 5 } });
    const opened = await Promise.all(["a", "b"].map((name) => models.open(server.specification(name))));
    const asked = opened.flatMap((model) => Array.from({ length: 20 }, (_, n) => model.generate(request(String(n)))));
    await Promise.all(asked);
    expect(server.requests).toHaveLength(40);
    expect(server.mostAtOnce).toBe(5);
  });

  it("comes back when a server that limits the rate says so", async () => {
    const server = await start({
      answer: ({ index }) => (index < 2 ? { status: 429, retryAfterSeconds: 7, message: "slow down" } : "now"),
    });
    const { model, calls, clock } = await openAt(server);
    expect(await model.generate(request("x"))).toMatchObject({ kind: "text", text: "now" });
    expect(calls).toMatchObject([{ attempts: 3 }]);
    expect(calls[0]).not.toHaveProperty("fault");
    expect(clock.waits).toHaveLength(2);
    for (const wait of clock.waits) expect(wait).toBeGreaterThan(7);
  });

  it("holds back other calls too while a server wants to be left alone", async () => {
    const server = await start({
      answer: ({ index }) => (index === 0 ? { status: 429, retryAfterSeconds: 50 } : "now"),
    });
    const { model, clock } = await openAt(server, { limits: { concurrency: 1 } });
    const outcomes = await Promise.all(["a", "b"].map((prompt) => model.generate(request(prompt))));
    expect(outcomes.map(({ kind }) => kind)).toEqual(["text", "text"]);
    // The first waits for itself; the second, which was never refused, waits as long.
    expect(clock.waits.filter((wait) => wait >= 49)).toHaveLength(2);
  });

  it("stops at once when the caller aborts, waiting or not", async () => {
    const server = await start({ latencyMs: 5000 });
    const models = createLanguageModels({
      environment: {},
      limits: { concurrency: 1 },
      abilities: { schemas: false, logprobs: 0 },
    });
    const model = await models.open(server.specification());
    const control = new AbortController();
    const started = performance.now();
    const asked = ["a", "b", "a"].map((prompt) => model.generate(request(prompt), control.signal));
    setTimeout(() => control.abort(), 50);
    const settled = await Promise.allSettled(asked);
    expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    for (const one of settled) expect(one).toMatchObject({ reason: { code: "interrupted" } });
    expect(performance.now() - started).toBeLessThan(2000);
    await expect(model.generate(request("c"), control.signal)).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("a budget", () => {
  it("in tokens is never exceeded, and used up before it stops calls", async () => {
    const server = await start({
      latencyMs: 2,
      answer: () => ({ text: "ok", usage: { inputTokens: 30, outputTokens: 10 } }),
    });
    const budget = { tokens: 2000 };
    const { model, models } = await openAt(server, { budget, abilities: { schemas: false, logprobs: 0 } });
    const outcomes = await Promise.all(Array.from({ length: 100 }, (_, n) => model.generate(request(`k${n}`))));
    const failed = outcomes.filter(({ kind }) => kind === "failed");
    expect(failed[0]).toMatchObject({ fault: "budget", usd: undefined });
    expect(models.spent().tokens).toBe(server.requests.length * 40);
    expect(models.spent().tokens).toBeLessThanOrEqual(2000);
    // A call may need 25 + 2 bytes of prompt, 64 of frame and 50 of answer: what is left would not have been enough.
    expect(models.spent().tokens).toBeGreaterThan(2000 - 150);
    expect(failed.length + server.requests.length).toBe(100);
  });

  it("in USD needs a price, and counts what was sent and never came back", async () => {
    const server = await start({ answer: () => ({ text: "half an answer", cutAfter: 40 }) });
    const abilities = { schemas: false, logprobs: 0 };
    for (const known of [abilities, {}]) {
      const unpriced = openAt(server, { budget: { usd: 1 }, abilities: known });
      await expect(unpriced).rejects.toThrow(/price of openai-compatible:fake@.* is not known, .*limit tokens instead/);
    }
    expect(server.requests.length + server.probes).toBe(0);
    const { model, models } = await openAt(server, { budget: { usd: 0.02 }, abilities: { ...abilities, price } });
    expect(await model.generate(request("x"))).toMatchObject({ kind: "failed", fault: "cut" });
    expect(server.requests).toHaveLength(2);
    const worst = ((25 + 1 + 64) * 1.25 * 10 + 50 * 100) / 1e6;
    expect(models.spent().usd).toBeCloseTo(2 * worst, 10);
    for (const prompt of ["y", "z"]) await model.generate(request(prompt));
    expect(models.spent().usd).toBeLessThanOrEqual(0.02);
    expect(await model.generate(request("u"))).toMatchObject({ fault: "budget" });
  });
});
