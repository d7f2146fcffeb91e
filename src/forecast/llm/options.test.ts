import { describe, expect, it } from "vitest";
import { parseLlmSpecification, settingsOf } from "./options.ts";

describe("what follows the provider", () => {
  it("is a model and how it is asked", () => {
    expect(parseLlmSpecification("some/model:8b")).toEqual({ model: "some/model:8b", options: {} });
    expect(
      parseLlmSpecification("m?form=samples&samples=4&list=16&sources=changes&thinking=0&anchors=3&seed=0"),
    ).toEqual({
      model: "m",
      options: { form: "samples", samples: 4, list: 16, sources: "changes", thinkingTokens: 0, anchors: 3, seed: 0 },
    });
  });

  it("leaves an adapter with the model that it makes another", () => {
    expect(parseLlmSpecification("m.gguf?list=2&adapter=runs/a=1.gguf&form=bins")).toEqual({
      model: "m.gguf?adapter=runs/a=1.gguf",
      options: { list: 2, form: "bins" },
    });
  });

  it.each([
    ["", "name a model"],
    ["?form=bins", "name a model"],
    ["m?from=bins", 'unknown option "from" (known: form,'],
    [
      "m?form=bin",
      'unknown form "bin" (known: quantiles, doublings, bins-logprobs, bins, samples); did you mean bins?',
    ],
    ["m?list=0", "list must be a whole number of at least 1"],
    ["m?list=-3", "list must be a whole number"],
    ["m?samples=many", "samples must be a whole number"],
    ["m?sources=all", 'unknown sources "all"'],
  ])("refuses %s", (text, why) => {
    expect(() => parseLlmSpecification(text)).toThrow(why);
  });

  it("asks for no reasons where the answer is one token", () => {
    const { options } = parseLlmSpecification("m?form=bins-logprobs&reasons=short");
    expect(() => settingsOf(options)).toThrow("reasons=short: the answer of form=bins-logprobs is one token");
  });
});
