import { KernelcastError, type Forecaster, type ForecastRequest } from "../domain/index.ts";
import type { TestRunner } from "./run-store-contract.ts";

export interface ForecasterFixture {
  /** At least one anchor and at least two candidates that the forecaster can forecast. */
  readonly request: ForecastRequest;
  open(): Forecaster | Promise<Forecaster>;
}

type Expect = TestRunner["expect"];

interface Rule {
  readonly title: string;
  readonly check: (forecaster: Forecaster, request: ForecastRequest, expect: Expect) => Promise<void>;
}

/** The behaviour that every `Forecaster` has. */
export function forecasterContract(
  name: string,
  fixture: ForecasterFixture,
  { describe, it, expect }: TestRunner,
): void {
  describe(`Forecaster contract: ${name}`, () => {
    for (const { title, check } of rules) {
      it(title, async () => {
        const forecaster = await fixture.open();
        try {
          await check(forecaster, fixture.request, expect);
        } finally {
          await forecaster.close?.();
          await forecaster.close?.();
        }
      });
    }
  });
}

const rules: readonly Rule[] = [
  { title: "forecasts candidates with proper distributions, and says what that cost", check: forecasts },
  { title: "gives equal answers to equal requests, also at the same time", check: repeats },
  { title: "answers for what it is asked and nothing else", check: answersWhatIsAsked },
  { title: "takes a request without candidates", check: takesNone },
  { title: "leaves the request as it was", check: leavesRequest },
  { title: "rejects what was cancelled and goes on", check: cancels },
];

async function forecasts(forecaster: Forecaster, request: ForecastRequest, expect: Expect): Promise<void> {
  expect(forecaster.name.length > 0 && !forecaster.name.includes("\n")).toBe(true);
  const answer = await forecaster.forecast(request);
  expect(idsOf(answer)).toEqual(request.candidates.map(({ kernelId }) => kernelId).sort());
  for (const { pOk, m, sigmaLow, sigmaHigh } of answer.forecasts) {
    expect(pOk >= 0 && pOk <= 1).toBe(true);
    expect([m, sigmaLow, sigmaHigh].every(Number.isFinite)).toBe(true);
    expect(sigmaLow > 0 && sigmaHigh > 0).toBe(true);
  }
  const { cpuSeconds, tokens, usd } = answer.cost;
  expect([cpuSeconds, tokens, usd].every((part) => Number.isFinite(part) && part >= 0)).toBe(true);
}

async function repeats(forecaster: Forecaster, request: ForecastRequest, expect: Expect): Promise<void> {
  const [once, twice] = await Promise.all([forecaster.forecast(request), forecaster.forecast(request)]);
  const again = await forecaster.forecast(request);
  expect(sorted(twice)).toEqual(sorted(once));
  expect(sorted(again)).toEqual(sorted(once));
}

async function answersWhatIsAsked(forecaster: Forecaster, request: ForecastRequest, expect: Expect): Promise<void> {
  const candidates = request.candidates.slice(1);
  const answer = await forecaster.forecast({ ...request, candidates });
  expect(idsOf(answer)).toEqual(candidates.map(({ kernelId }) => kernelId).sort());
}

async function takesNone(forecaster: Forecaster, request: ForecastRequest, expect: Expect): Promise<void> {
  const { forecasts: none } = await forecaster.forecast({ ...request, candidates: [] });
  expect(none).toEqual([]);
}

async function leavesRequest(forecaster: Forecaster, request: ForecastRequest, expect: Expect): Promise<void> {
  const before = JSON.stringify(request);
  await forecaster.forecast(request);
  expect(JSON.stringify(request)).toBe(before);
}

async function cancels(forecaster: Forecaster, request: ForecastRequest, expect: Expect): Promise<void> {
  const rejection = await forecaster.forecast(request, AbortSignal.abort()).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(rejection !== undefined).toBe(true);
  expect(KernelcastError.isInstance(rejection) && rejection.code !== "interrupted").toBe(false);
  expect(idsOf(await forecaster.forecast(request)).length).toBe(request.candidates.length);
}

type Answer = Awaited<ReturnType<Forecaster["forecast"]>>;

function idsOf({ forecasts: given }: Answer): string[] {
  return given.map(({ kernelId }) => kernelId).sort();
}

function sorted({ forecasts: given }: Answer): unknown {
  return given.toSorted((a, b) => (a.kernelId < b.kernelId ? -1 : 1));
}
