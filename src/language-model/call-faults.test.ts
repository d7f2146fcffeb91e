import { createServer, type AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import type { GenerationFailure, LanguageModelCall } from "../domain/index.ts";
import type { FakeChatAnswer } from "../testing/fake-chat.ts";
import {
  startFakeLanguageModelServer,
  type FakeLanguageModelServer,
  type FakeLanguageModelServerOptions,
} from "../testing/fake-language-model-server.ts";
import { createLanguageModels, type LanguageModelsOptions } from "./language-models.ts";
import { createMemoryAnswerStore } from "./memory-answer-store.ts";

const secret = "sk-test-0123456789abcdefghij";
const servers: FakeLanguageModelServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const request = { purpose: "forecast", system: "s", prompt: "p", maxTokens: 50 };
const clock = { now: () => performance.now() / 1000, sleep: () => Promise.resolve() };
/** Abilities told, so that the fault meets a call and not the probe. */
const told = { schemas: true, logprobs: 0 };

async function ask(
  server: FakeLanguageModelServerOptions,
  options: LanguageModelsOptions = {},
  model = "fake",
): Promise<{ outcome: GenerationFailure; sent: number; calls: LanguageModelCall[] }> {
  const started = await startFakeLanguageModelServer(server);
  servers.push(started);
  const calls: LanguageModelCall[] = [];
  const models = createLanguageModels({
    environment: {},
    clock,
    abilities: told,
    onCall: (call) => calls.push(call),
    ...options,
  });
  const outcome = await (await models.open(started.specification(model))).generate(request);
  if (outcome.kind !== "failed") throw new Error(`answered: ${outcome.text}`);
  return { outcome, sent: started.requests.length, calls };
}

function expectOneLine(message: string): void {
  expect(message).not.toMatch(/[\n\r]/);
  expect(message.length).toBeGreaterThan(20);
  expect(message.length).toBeLessThan(400);
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const cases: readonly (readonly [string, FakeChatAnswer, GenerationFailure["fault"], RegExp, number])[] = [
  ["a length that the server refuses", { status: 413, message: "Too large" }, "context", /prompt is too long/, 1],
  ["a refusal by content filter", { text: "", finish: "content_filter" }, "refused", /declined to answer/, 1],
  ["a refusal in words", { text: "", refusal: "I cannot help" }, "refused", /declined to answer/, 1],
  ["a refused prompt", { status: 400, message: "violates our content policy" }, "refused", /refused the prompt/, 1],
  ["an answer cut by its length", { text: "12", finish: "length" }, "cut", /was cut at 50 tokens/, 1],
  [
    "an answer cut by the connection",
    { text: "x".repeat(200), cutAfter: 120 },
    "cut",
    /before its answer was whole/,
    2,
  ],
  ["half a JSON body", { nonsense: '{"choices": [{"mess' }, "cut", /ends in the middle/, 2],
  ["another page", { nonsense: "<html>Welcome to nginx</html>" }, "other", /no chat completion: <html>Welcome/, 2],
  ["an empty answer", { text: "" }, "other", /empty answer/, 2],
  ["an endless rate limit", { status: 429, message: "slow down" }, "rate", /limits the rate/, 6],
  ["an empty account", { status: 429, message: "You exceeded your current quota" }, "rate", /no quota or credit/, 1],
  ["a day's wait", { status: 429, retryAfterSeconds: 86_400 }, "rate", /limits the rate/, 1],
  ["a broken server", { status: 503, message: "overloaded" }, "unreachable", /answers 503: overloaded/, 4],
  ["another error", { status: 422, message: "bad seed" }, "other", /refuses the call \(422\): bad seed/, 1],
];

describe("a call that gets no answer is a value of one clear line", () => {
  it.each(cases)("%s", async (_name, answer, fault, message, sends) => {
    const { outcome, sent, calls } = await ask({ answer: () => answer });
    expect(outcome).toMatchObject({ kind: "failed", fault });
    expect(outcome.message).toMatch(message);
    expectOneLine(outcome.message);
    expect(sent).toBe(sends);
    expect(calls).toMatchObject([{ fault, attempts: sends, message: outcome.message, kept: false }]);
  });

  it("context too long", async () => {
    const { outcome } = await ask({ contextTokens: 40 });
    expect(outcome.fault).toBe("context");
    expect(outcome.message).toMatch(/prompt is too long for fake at http:.*maximum context length is 40 tokens/);
  });

  it("unknown model", async () => {
    const { outcome, sent } = await ask({ models: ["real"] }, {}, "wrong");
    expect(outcome).toMatchObject({ fault: "model" });
    expect(outcome.message).toMatch(/knows no model "wrong"/);
    expect(sent).toBe(1);
  });

  it("a server that wants a key, and one that refuses it", async () => {
    const without = await ask({ key: "right" });
    expect(without.outcome).toMatchObject({ fault: "key" });
    expect(without.outcome.message).toMatch(/wants a key: set KERNELCAST_API_KEY/);
    const wrong = await ask({ key: "right" }, { environment: { KERNELCAST_API_KEY: secret } });
    expect(wrong.outcome).toMatchObject({ fault: "key" });
    expect(wrong.outcome.message).toMatch(/refuses the key in KERNELCAST_API_KEY \(401\)/);
  });

  it("no answer in time", async () => {
    const { outcome, sent } = await ask({ latencyMs: 3000 }, { timeoutSeconds: 0.05 });
    expect(outcome).toMatchObject({ fault: "timeout" });
    expect(outcome.message).toMatch(/no answer within 0.05 s/);
    expect(sent).toBe(2);
  });

  it("unreachable host: tried four times, and then once for each call until it is back", async () => {
    const calls: LanguageModelCall[] = [];
    const models = createLanguageModels({
      environment: {},
      clock,
      abilities: told,
      onCall: (call) => calls.push(call),
    });
    const port = await closedPort();
    const model = await models.open(`openai-compatible:m@http://127.0.0.1:${port}/v1`);
    for (const prompt of ["a", "b"]) {
      const outcome = await model.generate({ ...request, prompt });
      expect(outcome).toMatchObject({ kind: "failed", fault: "unreachable" });
      if (outcome.kind === "failed") expect(outcome.message).toMatch(/cannot be reached: nothing listens there/);
    }
    expect(calls.map(({ attempts }) => attempts)).toEqual([4, 1]);
    const back = await startFakeLanguageModelServer({ port });
    expect(await model.generate({ ...request, prompt: "c" })).toMatchObject({ kind: "text", text: "ok" });
    await back.close();
    await model.generate({ ...request, prompt: "d" });
    expect(calls.map(({ attempts }) => attempts)).toEqual([4, 1, 1, 4]);
  });
});

describe("opening a model", () => {
  it.each([
    ["openai:gpt-5", /openai needs a key: set OPENAI_API_KEY/],
    ["anthropic:claude-opus-5", /anthropic needs a key: set ANTHROPIC_API_KEY/],
    ["google:gemini-3.8-flash", /google needs a key: set GOOGLE_GENERATIVE_AI_API_KEY/],
    ["gguf:/nowhere/model.gguf", /\/nowhere\/model.gguf: no such model file/],
  ])("%s without what it needs says what to do", async (specification, message) => {
    const opened = createLanguageModels({ environment: { OPENAI_API_KEY: " " } }).open(specification);
    await expect(opened).rejects.toMatchObject({ code: "model", message: expect.stringMatching(message) as string });
  });

  it("reads a GGUF file only with the package that can, and only if it is one", async () => {
    const file = fileURLToPath(import.meta.url);
    await expect(createLanguageModels().open(`gguf:${file}`)).rejects.toMatchObject({
      code: "model",
      message: expect.stringMatching(/need the package node-llama-cpp|cannot be read as a GGUF model/) as string,
    });
  });

  it("says at once what every call would meet", async () => {
    const server = await startFakeLanguageModelServer({ models: ["real"], key: secret });
    servers.push(server);
    const open = (model: string, environment: Record<string, string>) =>
      createLanguageModels({ environment, clock }).open(server.specification(model));
    await expect(open("real", {})).rejects.toMatchObject({
      code: "model",
      message: expect.stringMatching(/wants a key/) as string,
    });
    await expect(open("other", { KERNELCAST_API_KEY: secret })).rejects.toThrow(/knows no model "other"/);
    await expect(open("real", { KERNELCAST_API_KEY: secret })).resolves.toMatchObject({ abilities: { schemas: true } });
  });
});

describe("keys", () => {
  it.each([
    ["that looks like one", secret],
    ["of any form", "correct horse battery staple 42"],
  ])("%s is in no message, report, name or kept answer, even where the server repeats it", async (_form, key) => {
    const answers = createMemoryAnswerStore();
    const kept: string[] = [];
    const store = { ...answers, keepAnswer: (digest: string, text: string) => void kept.push(digest + text) };
    const seen: unknown[] = [];
    const echoes: FakeChatAnswer[] = [
      { status: 422, message: `Authorization: Bearer ${key} is not allowed` },
      { nonsense: `<p>${key}</p>` },
      { status: 400, message: `context length: ${key}` },
      "fine",
    ];
    for (const answer of echoes) {
      const server = await startFakeLanguageModelServer({ key, answer: () => answer });
      servers.push(server);
      const environment = { KERNELCAST_API_KEY: key };
      const models = createLanguageModels({ environment, clock, answers: store, onCall: (call) => seen.push(call) });
      const model = await models.open(server.specification());
      seen.push(await model.generate(request), model);
    }
    const wrong = await ask({ key: "another" }, { environment: { KERNELCAST_API_KEY: key } });
    const everything = JSON.stringify([seen, kept, wrong]);
    expect(everything).toContain("[key]");
    expect(kept.length).toBeGreaterThanOrEqual(5);
    expect(everything).not.toContain(key);
    expect(everything).not.toContain(key.slice(8));
  });
});
