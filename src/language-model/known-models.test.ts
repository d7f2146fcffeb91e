import { describe, expect, it } from "vitest";
import { likelyTokens, noUsage, usdOf, worstCase } from "./cost.ts";
import { hostedAbilities, knownModel } from "./known-models.ts";

describe("what is known of hosted models", () => {
  it("knows dated names by their family, and nothing of what it does not list", () => {
    const today = "2026-11-26";
    expect(knownModel("openai", "gpt-4.1-2025-04-14", today)).toEqual(knownModel("openai", "gpt-4.1", today));
    expect(knownModel("anthropic", "claude-haiku-4-5-20251001", today)?.price.inputUsd).toBe(1);
    for (const name of ["gpt-99", "gpt-4.1-something", "constructor", "toString"]) {
      expect(knownModel("openai", name, today)).toBeUndefined();
    }
    expect(knownModel("google", "gpt-4.1", today)).toBeUndefined();
    expect(hostedAbilities(undefined)).toMatchObject({ logprobs: 0, contextTokens: undefined, price: undefined });
  });

  it("changes a price on the day that was announced", () => {
    const price = (today: string) => knownModel("google", "gemini-3.8-flash", today)?.price;
    expect(price("2026-12-31")).toEqual({ inputUsd: 0.75, cachedInputUsd: 0.075, outputUsd: 3.75, asOf: "2026-10-07" });
    expect(price("2027-01-01")).toEqual({ inputUsd: 1.5, cachedInputUsd: 0.15, outputUsd: 7.5, asOf: "2026-10-07" });
  });

  it("charges plain, cached and newly cached input each at its price", () => {
    const price = { inputUsd: 4, cachedInputUsd: 0.4, outputUsd: 20, asOf: "2026-11-26" };
    const usage = { inputTokens: 1000, cachedInputTokens: 300, cacheWriteTokens: 200, outputTokens: 50 };
    expect(usdOf(usage, price)).toBeCloseTo((500 * 4 + 200 * 5 + 300 * 0.4 + 50 * 20) / 1e6, 12);
    expect(usdOf(noUsage, undefined)).toBeUndefined();
  });

  it("bounds a request's tokens by its bytes", () => {
    const request = { purpose: "p", system: "µs", prompt: "核", maxTokens: 100, schema: { type: "object" } };
    const worst = worstCase(request, 500);
    expect(worst.inputTokens).toBe(3 + 3 + JSON.stringify(request.schema).length + 64);
    expect(worst.outputTokens).toBe(500);
    expect(likelyTokens(request)).toBeLessThan(worst.inputTokens + worst.outputTokens);
  });
});
