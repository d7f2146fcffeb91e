import { describe, expect, it } from "vitest";
import { modelName, parseModelSpecification } from "./specification.ts";

describe("a model's name", () => {
  it.each([
    ["openai:gpt-5", { provider: "openai", model: "gpt-5" }],
    ["anthropic:claude-opus-5", { provider: "anthropic", model: "claude-opus-5" }],
    ["google:gemini-3.8-flash", { provider: "google", model: "gemini-3.8-flash" }],
    ["gguf:models/a:b.gguf", { provider: "gguf", file: "models/a:b.gguf" }],
    ["gguf:m.gguf?adapter=runs/a=b.gguf", { provider: "gguf", file: "m.gguf", adapter: "runs/a=b.gguf" }],
    [
      "openai-compatible:Qwen/Qwen3@8bit:free@http://localhost:8000/v1/",
      { provider: "openai-compatible", model: "Qwen/Qwen3@8bit:free", baseUrl: "http://localhost:8000/v1" },
    ],
  ])("%s", (text, specification) => {
    expect(parseModelSpecification(text)).toEqual(specification);
    expect(parseModelSpecification(modelName(parseModelSpecification(text)))).toEqual(specification);
  });

  it.each([
    ["gpt-5", /unknown language model "gpt-5"; models are openai:MODEL/],
    ["openai:", /unknown language model/],
    ["mistral:x", /unknown language model/],
    ["gguf:m.gguf?adapter=", /name both files: gguf:BASE.gguf\?adapter=ADAPTER.gguf/],
    ["openai:gpt-5?adapter=a.gguf", /only a gguf: model takes an adapter/],
    ["openai-compatible:m@http://me:hunter2@host/v1?adapter=a.gguf", /only a gguf: model takes an adapter/],
    ["openai-compatible:llama", /give the server's address: openai-compatible:MODEL@http/],
    ["openai-compatible:llama@http://", /give the server's address/],
    ["openai-compatible:m@http://me:hunter2@host/v1", /give the key as KERNELCAST_API_KEY/],
    ["openai-compatible:m@http://host/v1?key=hunter2", /give the key as KERNELCAST_API_KEY/],
    ["foo:m@http://me:hunter2@host/v1?key=hunter2", /unknown language model/],
  ])("refuses %s without repeating a key", (text, message) => {
    expect(() => parseModelSpecification(text)).toThrow(message);
    expect(() => parseModelSpecification(text)).not.toThrow(/hunter2/);
  });
});
