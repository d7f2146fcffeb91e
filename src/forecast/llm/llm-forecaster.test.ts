import { describe, expect, it } from "vitest";
import { binLetters } from "./bins.ts";
import { forecastQuantile, normalCdf, type GenerateRequest, type TokenChoice } from "../../domain/index.ts";
import { forecasterContract } from "../../testing/forecaster-contract.ts";
import {
  askedLabels,
  scriptedLanguageModel,
  type ScriptedAnswer,
  type ScriptedModelOptions,
} from "../../testing/scripted-language-model.ts";
import { syntheticRequest } from "../../testing/synthetic-request.ts";
import { formNames } from "./form.ts";
import { createLlmForecaster } from "./llm-forecaster.ts";
import type { LlmForecasterOptions } from "./options.ts";

/** What a good reader says: the kernel's marks decide its time, so that answers can be told apart. */
function goodAnswer(request: GenerateRequest): ScriptedAnswer {
  const labels = askedLabels(request);
  if (request.logprobs !== undefined) return { firstToken: letters({ F: 0.2, G: 0.5, " G": 0.1, X: 0.2 }) };
  const { prompt } = request;
  if (prompt.includes("\nGuess ")) return JSON.stringify({ forecasts: labels.map(guess(request)) });
  if (request.system.includes('"bins"')) {
    return JSON.stringify({ kernel: labels[0], p_ok: 0.9, bins: { F: 0.25, G: 0.5, H: 0.25 } });
  }
  if (request.system.includes('"doublings"')) {
    return JSON.stringify({ forecasts: labels.map((label) => ({ ...doubled, kernel: label })) });
  }
  return JSON.stringify({ forecasts: labels.map((label) => entry(label)) });
}

const doubled = { doublings: -1, less: 0.5, more: 1, p_ok: 0.9 };

function entry(label: string, p50 = 50 + Number(label.slice(1))): object {
  return { kernel: label, p_ok: 0.9, us_p10: 0.8 * p50, us_p50: p50, us_p90: 1.5 * p50 };
}

const guess =
  ({ seed = 0 }: GenerateRequest) =>
  (label: string): object => ({ kernel: label, works: seed % 8 !== 0, us: 100 + (seed % 8) });

function letters(shares: Readonly<Record<string, number>>): TokenChoice[] {
  return Object.entries(shares).map(([token, share]) => ({ token, logprob: Math.log(share) }));
}

async function ask(
  answer: ScriptedModelOptions["answer"],
  {
    marks = ["a", "b", "c"],
    abilities = {},
    ...options
  }: LlmForecasterOptions & {
    readonly marks?: readonly string[];
    readonly abilities?: ScriptedModelOptions["abilities"];
  } = {},
) {
  const model = scriptedLanguageModel({ answer, abilities });
  const request = syntheticRequest(marks);
  const result = await createLlmForecaster(model, options).forecast(request);
  return { ...result, requests: model.requests, request };
}

for (const form of formNames) {
  forecasterContract(
    `language model, ${form}`,
    {
      request: syntheticRequest(),
      open: () => createLlmForecaster(scriptedLanguageModel({ answer: goodAnswer }), { form }),
    },
    { describe, it, expect },
  );
}

describe("listwise quantiles", () => {
  it("are the forecast's quantiles, and all kernels share a prompt", async () => {
    const { forecasts, requests, cost, failures, faults, prompts } = await ask(goodAnswer);
    expect(requests).toHaveLength(1);
    expect({ failures, faults }).toEqual({ failures: [], faults: {} });
    expect(forecasts.map(({ m }) => Math.round(2 ** m)).toSorted((a, b) => a - b)).toEqual([51, 52, 53]);
    for (const forecast of forecasts) {
      const { m, pOk } = forecast;
      expect(pOk).toBe(0.9);
      expect(m - forecast.sigmaLow * 1.2816).toBeCloseTo(m + Math.log2(0.8), 9);
      expect(m + forecast.sigmaHigh * 1.2816).toBeCloseTo(m + Math.log2(1.5), 9);
    }
    expect(cost).toMatchObject({ usd: 0.001 });
    expect(cost.tokens).toBeGreaterThan(500);
    expect(new Set(prompts?.values()).size).toBe(1);
  });

  it("that are out of order are asked for once more, with what was wrong and for that kernel alone", async () => {
    const { forecasts, requests, faults } = await ask((request, call) => {
      const labels = askedLabels(request);
      const all = labels.map((label) =>
        call === 0 && label === "K02" ? { ...entry(label), us_p10: 900 } : entry(label),
      );
      return JSON.stringify({ forecasts: all });
    });
    expect(forecasts).toHaveLength(3);
    expect(requests.map(askedLabels)).toEqual([["K01", "K02", "K03"], ["K02"]]);
    expect(requests[1]?.purpose).toBe("forecast-repair");
    expect(requests[1]?.prompt).toContain("K02: us_p10, us_p50 and us_p90 must ascend");
    expect(faults).toEqual({ order: 1 });
  });

  it("that stay wrong are a failure with its reason; the others stand", async () => {
    const { forecasts, failures, faults, requests } = await ask((request) =>
      JSON.stringify({
        forecasts: askedLabels(request).map((label) => (label === "K03" ? { ...entry(label), p_ok: 7 } : entry(label))),
      }),
    );
    expect(forecasts).toHaveLength(2);
    expect(failures).toMatchObject([{ fault: "range", message: "K03: p_ok must be a number from 0 to 1" }]);
    expect(faults).toEqual({ range: 2 });
    expect(requests).toHaveLength(2);
  });

  it("that are missing are asked for again as long as others come", async () => {
    const marks = ["a", "b", "c", "d", "e", "f"];
    const { forecasts, requests } = await ask(
      (request) =>
        JSON.stringify({
          forecasts: askedLabels(request)
            .slice(0, 2)
            .map((label) => entry(label)),
        }),
      { marks },
    );
    expect(forecasts).toHaveLength(6);
    expect(requests.map((request) => askedLabels(request).length)).toEqual([6, 4, 2]);
  });

  it("of a model that answers with nothing are given up after one more try", async () => {
    for (const nonsense of ["I would rather not say.", "", "{}", "[]", "null", '{"forecasts": 3}', "{".repeat(500)]) {
      const { forecasts, failures, requests } = await ask(() => nonsense);
      expect(forecasts).toEqual([]);
      expect(failures).toHaveLength(3);
      expect(requests).toHaveLength(2);
    }
  });

  it("keep what came before an answer broke off", async () => {
    const { forecasts, requests, faults } = await ask((request, call) => {
      const text = JSON.stringify({ forecasts: askedLabels(request).map((label) => entry(label)) });
      return call === 0 ? text.slice(0, text.indexOf("K03") + 12) : text;
    });
    expect(forecasts).toHaveLength(3);
    expect(requests.map(askedLabels)).toEqual([["K01", "K02", "K03"], ["K03"]]);
    expect(faults).toEqual({ "half-json": 1, missing: 1 });
  });

  it("of kernels nobody asked for, or given twice, do not count", async () => {
    const { forecasts, faults } = await ask((request, call) =>
      JSON.stringify({
        forecasts: [
          ...askedLabels(request).map((label) => entry(label)),
          ...(call === 0 ? [entry("K77"), entry("K01", 3)] : []),
        ],
      }),
    );
    expect(forecasts.map(({ m }) => Math.round(2 ** m)).toSorted((a, b) => a - b)).toEqual([51, 52, 53]);
    expect(faults).toEqual({ unknown: 1, twice: 1 });
  });
});

describe("calls that give no answer", () => {
  it("halve a list that is too long, down to one kernel", async () => {
    const { forecasts, failures, faults, requests } = await ask(
      (request) => {
        const labels = askedLabels(request);
        return labels.length > 1 || labels[0] === "K04" ? { fault: "context" } : goodAnswer(request);
      },
      { marks: ["a", "b", "c", "d"] },
    );
    expect(forecasts).toHaveLength(3);
    expect(failures).toMatchObject([{ fault: "context" }]);
    expect(faults).toEqual({ context: 4 });
    expect(requests).toHaveLength(7);
  });

  it("are counted failures, for a search goes on", async () => {
    for (const fault of ["rate", "refused", "timeout", "budget", "other", "cut"] as const) {
      const { failures, faults } = await ask(() => ({ fault }), { marks: ["a"] });
      expect(failures).toMatchObject([{ fault, message: `the script says ${fault}` }]);
      expect(faults).toEqual({ [fault]: 1 });
    }
  });

  it("reject with one line where no call can work", async () => {
    for (const fault of ["key", "model", "unreachable"] as const) {
      await expect(ask(() => ({ fault, message: "set A_KEY" }))).rejects.toMatchObject({
        code: "model",
        message: "scripted:model: set A_KEY",
      });
    }
  });

  it("do not reject where the host answered for others", async () => {
    const { forecasts, failures } = await ask(
      (request, call) => (call === 1 ? { fault: "unreachable" } : goodAnswer(request)),
      { list: 1, concurrency: 1 },
    );
    expect(forecasts).toHaveLength(2);
    expect(failures).toMatchObject([{ fault: "unreachable" }]);
  });
});

describe("doublings", () => {
  it("are relative to the first measured kernel, and the quantiles to the median", async () => {
    const { forecasts, requests } = await ask(goodAnswer, { form: "doublings" });
    expect(requests).toHaveLength(1);
    expect(requests[0]?.prompt).toContain("Doublings are of the time of M1.");
    for (const { m, pOk, sigmaLow, sigmaHigh } of forecasts) {
      expect(pOk).toBe(0.9);
      expect(m).toBeCloseTo(Math.log2(50), 9);
      expect(1.2816 * sigmaLow).toBeCloseTo(0.5, 9);
      expect(1.2816 * sigmaHigh).toBeCloseTo(1, 9);
    }
  });

  it.each([
    ["less than nothing", { less: -0.1 }, "less and more must be numbers of at least 0"],
    ["beyond what a kernel can take", { doublings: 40 }, "must be a time that a kernel can take"],
    ["without a median", { doublings: undefined }, "must be a time that a kernel can take"],
    ["surer than sure", { p_ok: 2 }, "p_ok must be a number from 0 to 1"],
  ])("%s are asked for once more, then failed", async (_, wrong, why) => {
    const answer = (request: GenerateRequest): string =>
      JSON.stringify({ kernel: askedLabels(request)[0], ...doubled, ...wrong });
    const { failures, requests } = await ask(answer, { form: "doublings", marks: ["a"] });
    expect(requests[1]?.prompt).toContain(why);
    expect(failures).toMatchObject([{ fault: "range" }]);
  });
});

describe("reasons", () => {
  const reasoned = (request: GenerateRequest): string =>
    JSON.stringify({ forecasts: askedLabels(request).map((label) => ({ because: "like M1 {", ...entry(label) })) });

  it("are asked for before the numbers, and are no part of the forecast", async () => {
    const { forecasts, requests, failures } = await ask(reasoned, { reasons: "short", abilities: { schemas: true } });
    const plain = await ask(goodAnswer, { abilities: { schemas: true } });
    expect(failures).toEqual([]);
    expect(forecasts).toEqual(plain.forecasts);
    expect(requests[0]?.system).toContain('"because"');
    expect(JSON.stringify(requests[0]?.schema)).toMatch(/"properties":\{"kernel":\{[^}]*\},"because":/);
    expect(requests[0]?.maxTokens).toBeGreaterThan(plain.requests[0]?.maxTokens ?? Infinity);
  });

  it("come with a form for one kernel, too, and show in the name", async () => {
    const binned = { kernel: "K01", because: "as M1", p_ok: 0.9, bins: { G: 1 } };
    const answer = (): string => JSON.stringify(binned);
    const { forecasts, requests } = await ask(answer, { form: "bins", reasons: "short", marks: ["a"] });
    expect(forecasts).toHaveLength(1);
    expect(requests[0]?.schema).toMatchObject({ required: ["kernel", "because", "p_ok", "bins"] });
    const model = scriptedLanguageModel({ answer });
    expect(createLlmForecaster(model, { reasons: "short" }).name).toBe(`${model.name}?reasons=short`);
    expect(createLlmForecaster(model, { form: "bins", reasons: "short" }).name).toBe(
      `${model.name}?form=bins&reasons=short`,
    );
  });
});

describe("bins", () => {
  it("are relative to the first measured kernel, whatever their sum within reason", async () => {
    const { forecasts, requests } = await ask(
      (request) => JSON.stringify({ kernel: askedLabels(request)[0], p_ok: 0.8, bins: { F: 0.2, G: 0.6, H: 0.3 } }),
      { form: "bins" },
    );
    expect(requests).toHaveLength(3);
    for (const forecast of forecasts) {
      expect(forecast.pOk).toBe(0.8);
      expect(Math.abs(forecast.m - Math.log2(100))).toBeLessThan(0.03);
      expect(forecastQuantile(forecast, 0.1)).toBeGreaterThan(Math.log2(100) - 0.25);
    }
  });

  it("whose probabilities sum to 7 are asked for once more, then failed", async () => {
    const sevens = Object.fromEntries(binLetters.map((letter) => [letter, 7 / 13]));
    const { forecasts, failures, requests } = await ask(
      (request) => JSON.stringify({ kernel: askedLabels(request)[0], p_ok: 0.8, bins: sevens }),
      { form: "bins", marks: ["a"] },
    );
    expect(forecasts).toEqual([]);
    expect(requests[1]?.prompt).toContain("the probabilities of the bins sum to 7, not to 1");
    expect(failures).toMatchObject([{ fault: "sum" }]);
  });
});

describe("bins by log probabilities", () => {
  it("are read from the first token's alternatives, however spelt", async () => {
    const { forecasts, requests } = await ask(goodAnswer, { form: "bins-logprobs", abilities: { logprobs: 5 } });
    expect(requests).toHaveLength(3);
    expect(requests[0]).toMatchObject({ maxTokens: 1, logprobs: 5 });
    expect(requests[0]?.schema).toBeUndefined();
    for (const { pOk, m } of forecasts) {
      expect(pOk).toBeCloseTo(0.8, 1);
      expect(m).toBeGreaterThan(Math.log2(100) - 0.03);
    }
  });

  it("need a model that has them", () => {
    const model = scriptedLanguageModel({ answer: goodAnswer, abilities: { logprobs: 0 } });
    expect(() => createLlmForecaster(model, { form: "bins-logprobs" })).toThrow(/gives no log probabilities/);
  });

  it("fail as values where they do not come, or the tokens are no bins", async () => {
    const without = await ask(() => "G", { form: "bins-logprobs", marks: ["a"] });
    expect(without.failures).toMatchObject([{ fault: "no-logprobs" }]);
    const strange = await ask(() => ({ firstToken: letters({ The: 0.99, G: 0.001 }) }), {
      form: "bins-logprobs",
      marks: ["a"],
    });
    expect(strange.failures).toMatchObject([{ fault: "not-a-bin" }]);
  });
});

describe("samples", () => {
  it("make a distribution of k answers to one prompt", async () => {
    const { forecasts, requests } = await ask(goodAnswer, { form: "samples", samples: 8 });
    expect(requests).toHaveLength(8);
    expect(new Set(requests.map(({ prompt }) => prompt)).size).toBe(1);
    expect(new Set(requests.map(({ seed }) => seed)).size).toBe(8);
    expect(requests[0]?.temperature).toBe(1);
    for (const { pOk, m, sigmaLow } of forecasts) {
      expect(pOk).toBeCloseTo(7.5 / 9, 9);
      expect(2 ** m).toBeCloseTo(103.5, 0);
      expect(sigmaLow).toBeGreaterThan(0.03);
      expect(normalCdf((Math.log2(100) - m) / sigmaLow)).toBeGreaterThan(0.05);
    }
  });

  it("stand when some fail, not when most do", async () => {
    const some = (lost: number) => (request: GenerateRequest) =>
      (request.seed ?? 0) % 1000 < lost ? ({ fault: "refused" } as const) : goodAnswer(request);
    expect((await ask(some(3), { form: "samples" })).forecasts).toHaveLength(3);
    const most = await ask(some(6), { form: "samples" });
    expect(most.forecasts).toEqual([]);
    expect(most.failures?.[0]).toMatchObject({ fault: "refused" });
  });
});
