import { describe, expect, it } from "vitest";
import { exampleOf } from "./fake-chat.ts";
import { startFakeLanguageModelServer, type FakeLanguageModelServerOptions } from "./fake-language-model-server.ts";

async function post(options: FakeLanguageModelServerOptions, body: object): Promise<{ status: number; text: string }> {
  const server = await startFakeLanguageModelServer(options);
  try {
    const messages = [{ role: "user", content: [{ type: "text", text: "hello" }] }];
    const response = await fetch(`${server.url}/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "m", messages, ...body }),
    });
    const text = await response.text().catch((error: unknown) => `broken: ${String(error)}`);
    return { status: response.status, text };
  } finally {
    await server.close();
  }
}

describe("the fake language model server", () => {
  it("streams what it would have said at once", async () => {
    const said = "a text of more than twenty characters\nand two lines";
    const { text } = await post({ answer: () => said }, { stream: true });
    const events = text.split("\n\n").filter(Boolean);
    expect(events.at(-1)).toBe("data: [DONE]");
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event.replace(/^data: /, "")) as Chunk);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(said);
    expect(chunks.at(-1)).toMatchObject({ usage: { prompt_tokens: 2, completion_tokens: 13 } });
    const cut = await post({ answer: () => ({ text: said, cutAfter: 200 }) }, { stream: true });
    expect(cut.text).toMatch(/^broken: /);
  });

  it("answers by a function of the request, and by its schema where there is none", async () => {
    const { text } = await post({ answer: ({ prompt, index, model }) => `${model} ${prompt} ${index}` }, {});
    expect(JSON.parse(text)).toMatchObject({ choices: [{ message: { content: "m hello 0" }, finish_reason: "stop" }] });
    const schema = {
      type: "object",
      properties: {
        list: { type: "array", minItems: 2, items: { type: "integer", minimum: 3 } },
        word: { const: "x" },
      },
    };
    const byDefault = await post({}, { response_format: { type: "json_schema", json_schema: { schema } } });
    expect(JSON.parse(byDefault.text)).toMatchObject({
      choices: [{ message: { content: '{"list":[3,3],"word":"x"}' } }],
    });
    expect(exampleOf({ enum: ["b", "a"] })).toBe("b");
  });

  it("refuses what a server of its kind would", async () => {
    expect(await post({ models: ["other"] }, {})).toMatchObject({ status: 404 });
    expect(await post({ key: "k" }, {})).toMatchObject({ status: 401 });
    expect(await post({ logprobs: 5 }, { logprobs: true, top_logprobs: 20 })).toMatchObject({ status: 400 });
    expect(await post({ contextTokens: 10 }, { max_tokens: 9 })).toMatchObject({ status: 400 });
    expect(await post({ contextTokens: 11 }, { max_tokens: 9 })).toMatchObject({ status: 200 });
  });
});

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
}
