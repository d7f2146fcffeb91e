import { describe, expect, it } from "vitest";
import type { Forecast, ForecastAnswer, ForecastFailure } from "../domain/index.ts";
import { stopWhenSilent } from "./stop-when-silent.ts";

const failure = (fault: string): ForecastFailure => ({ kernelId: "k", fault, message: `it says ${fault}` });
const forecast: Forecast = { kernelId: "k", pOk: 1, m: 1, sigmaLow: 1, sigmaHigh: 1 };
const silent = (...faults: string[]): Pick<ForecastAnswer, "forecasts" | "failures"> => ({
  forecasts: [],
  failures: faults.map(failure),
});
const answered = { forecasts: [forecast], failures: [failure("order")] };

/** Asks for each answer in turn; how many came back before it rejected, and with what. */
async function askAll(answers: readonly Pick<ForecastAnswer, "forecasts" | "failures">[]) {
  const rest = [...answers];
  const cost = { cpuSeconds: 0, tokens: 0, usd: 0 };
  const forecaster = stopWhenSilent({
    name: "model",
    forecast: () => Promise.resolve({ cost, ...(rest.shift() ?? { forecasts: [] }) }),
  });
  let came = 0;
  try {
    for (; came < answers.length; came++) {
      await forecaster.forecast({} as Parameters<typeof forecaster.forecast>[0]);
    }
    return { came };
  } catch (error) {
    return { came, message: (error as Error).message };
  }
}

describe("stopWhenSilent", () => {
  it("rejects at the third asking in a row that brings nothing, and counts why", async () => {
    expect(await askAll([silent("refused", "refused"), silent("other"), silent("refused"), silent("refused")])).toEqual(
      {
        came: 2,
        message: expect.stringMatching(
          /^model gave no forecast of any of the last 4 kernels \(refused 3, other 1\): it says refused; /,
        ),
      },
    );
  });

  it("begins anew with every forecast, however few", async () => {
    const pair = [silent("refused"), silent("refused")];
    expect(await askAll([...pair, answered, ...pair, answered])).toEqual({ came: 6 });
  });

  it("leaves budgets, and forecasters that tell nothing, to the search", async () => {
    expect(await askAll(Array.from({ length: 5 }, () => silent("budget", "refused")))).toEqual({ came: 5 });
    expect(await askAll(Array.from({ length: 5 }, () => ({ forecasts: [] })))).toEqual({ came: 5 });
  });
});
