import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { startFakeLanguageModelServer } from "../testing/fake-language-model-server.ts";
import { createLanguageModels } from "./language-models.ts";

const schema = {
  type: "object",
  properties: { us: { type: "number" } },
  required: ["us"],
  additionalProperties: false,
};
const request = {
  purpose: "forecast",
  system: "You forecast.",
  prompt: "kernel",
  maxTokens: 100,
  temperature: 0.5,
  schema,
};

interface Sent {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** A server that answers every request with the same body, and remembers what it was sent. */
async function serve(status: number, answer: object): Promise<{ url: string; sent: Sent[] }> {
  const sent: Sent[] = [];
  const server = createServer((incoming, response) => {
    let text = "";
    incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
    incoming.on("end", () => {
      sent.push({ path: incoming.url ?? "", headers: incoming.headers, body: JSON.parse(text) as Sent["body"] });
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent };
}

describe("hosted providers, by the requests that they get and the answers that they give", () => {
  it("OpenAI: schema, logprobs, cached tokens, and more room for models that think", async () => {
    const server = await startFakeLanguageModelServer({
      key: "sk-openai-1",
      answer: ({ logprobs }) => ({
        text: '{"us":3}',
        ...(logprobs !== undefined && {
          firstToken: [
            { token: "A", logprob: -0.1 },
            { token: "B", logprob: -2.4 },
          ],
        }),
        usage: { inputTokens: 1000, cachedInputTokens: 600, outputTokens: 10 },
      }),
    });
    const environment = { OPENAI_API_KEY: "sk-openai-1", OPENAI_BASE_URL: server.url };
    const models = createLanguageModels({ environment, today: "2026-11-26" });
    const plain = await models.open("openai:gpt-4.1");
    expect(plain.abilities).toMatchObject({ schemas: true, logprobs: 20, price: { inputUsd: 2, outputUsd: 8 } });
    const outcome = await plain.generate({ ...request, logprobs: 2 });
    expect(outcome).toMatchObject({
      text: '{"us":3}',
      firstToken: [
        { token: "A", logprob: -0.1 },
        { token: "B", logprob: -2.4 },
      ],
      usage: { inputTokens: 1000, cachedInputTokens: 600, outputTokens: 10 },
    });
    expect(outcome.usd).toBeCloseTo((400 * 2 + 600 * 0.5 + 10 * 8) / 1e6, 12);
    const thinking = await models.open("openai:gpt-6-luna");
    await thinking.generate({ ...request, logprobs: 2 });
    await server.close();
    expect(server.requests).toMatchObject([
      { model: "gpt-4.1", schema, logprobs: 2, maxTokens: 100, temperature: 0.5, system: "You forecast." },
      { model: "gpt-6-luna", schema, logprobs: undefined, maxTokens: 100 + 16_384, temperature: undefined },
    ]);
    expect(server.probes).toBe(0);
  });

  it("Anthropic: the system prompt is cached, and writing to the cache is paid for", async () => {
    const { url, sent } = await serve(200, {
      id: "m",
      type: "message",
      role: "assistant",
      model: "claude-haiku-4-5",
      content: [{ type: "text", text: '{"us":4}' }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: { input_tokens: 100, cache_creation_input_tokens: 2000, cache_read_input_tokens: 3000, output_tokens: 20 },
    });
    const environment = { ANTHROPIC_API_KEY: "sk-ant-1", ANTHROPIC_BASE_URL: url };
    const model = await createLanguageModels({ environment, today: "2026-11-26" }).open("anthropic:claude-haiku-4-5");
    const outcome = await model.generate(request);
    expect(outcome).toMatchObject({
      text: '{"us":4}',
      usage: { inputTokens: 5100, cachedInputTokens: 3000, outputTokens: 20 },
    });
    expect(outcome.usd).toBeCloseTo((100 * 1 + 2000 * 1.25 + 3000 * 0.1 + 20 * 5) / 1e6, 12);
    expect(sent[0]?.headers["x-api-key"]).toBe("sk-ant-1");
    expect(sent[0]?.body).toMatchObject({
      max_tokens: 100,
      system: [{ type: "text", text: "You forecast.", cache_control: { type: "ephemeral" } }],
    });
    expect(JSON.stringify(sent[0]?.body)).toContain('"us"');
  });

  it("Google: schema and refusals", async () => {
    const usageMetadata = { promptTokenCount: 50, candidatesTokenCount: 5, thoughtsTokenCount: 7, totalTokenCount: 62 };
    const part = { content: { role: "model", parts: [{ text: '{"us":5}' }] }, finishReason: "STOP", index: 0 };
    const { url, sent } = await serve(200, { candidates: [part], usageMetadata });
    const open = (address: string) =>
      createLanguageModels({
        environment: { GOOGLE_GENERATIVE_AI_API_KEY: "AIza-1", GOOGLE_GENERATIVE_AI_BASE_URL: address },
        today: "2026-11-26",
      }).open("google:gemini-3.8-flash");
    const outcome = await (await open(url)).generate(request);
    expect(outcome).toMatchObject({ text: '{"us":5}', usage: { inputTokens: 50, outputTokens: 12 } });
    expect(outcome.usd).toBeCloseTo((50 * 0.75 + 12 * 3.75) / 1e6, 12);
    expect(sent[0]?.body).toMatchObject({ generationConfig: { responseMimeType: "application/json" } });
    const refusing = await serve(200, { candidates: [{ finishReason: "SAFETY", index: 0 }], usageMetadata });
    expect(await (await open(refusing.url)).generate(request)).toMatchObject({ fault: "refused" });
    const refused = await serve(400, {
      error: { code: 400, message: "API key not valid.", status: "INVALID_ARGUMENT" },
    });
    const wrong = await (await open(refused.url)).generate(request);
    expect(wrong).toMatchObject({
      fault: "key",
      message: expect.stringMatching(/GOOGLE_GENERATIVE_AI_API_KEY/) as string,
    });
  });
});
