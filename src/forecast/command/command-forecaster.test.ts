import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { KernelcastError, type Forecaster, type ForecastRequest } from "../../domain/index.ts";
import { quoteWord } from "../../process/shell-words.ts";
import { forecasterContract, syntheticRequest } from "../../testing/index.ts";
import { openCommandForecaster } from "./command-forecaster.ts";

const script = fileURLToPath(new URL("../../testing/fake-workers/scripted-forecaster.mjs", import.meta.url));
const example = fileURLToPath(new URL("../../../examples/forecaster.py", import.meta.url));
const opened: Forecaster[] = [];
afterAll(async () => {
  for (const forecaster of opened) await forecaster.close?.();
});

async function scripted(hello?: string, log?: string, limitSeconds = 20): Promise<Forecaster> {
  const words = [
    process.execPath,
    script,
    ...(hello === undefined ? [] : [hello]),
    ...(log === undefined ? [] : [log]),
  ];
  const forecaster = await openCommandForecaster({ command: words.map(quoteWord).join(" "), limitSeconds });
  opened.push(forecaster);
  return forecaster;
}

type Step = { readonly say: string } | { readonly [other: string]: unknown };

function told(steps: readonly Step[], marks?: readonly string[]): ForecastRequest {
  const request = syntheticRequest(marks);
  return { ...request, task: { ...request.task, description: JSON.stringify(steps) } };
}

const ids = syntheticRequest().candidates.map(({ kernelId }) => kernelId);
const good = { p_ok: 0.5, runtime_us: { p10: 90, p50: 100, p90: 120 } };
const say = (answer: object): Step => ({ say: JSON.stringify({ id: "$ID", ...answer }) });

forecasterContract("command", { request: told([{ good: true }]), open: () => scripted() }, { describe, it, expect });
forecasterContract(
  "command, the Python example",
  { request: syntheticRequest(), open: () => openCommandForecaster({ command: `python3 ${quoteWord(example)}` }) },
  { describe, it, expect },
);

describe("a command forecaster", () => {
  it("takes quantiles and two-piece normals, and the cost", async () => {
    const forecasts = [
      { kernel_id: ids[0], p_ok: 1, runtime_us: { p10: 50, p50: 100, p90: 400 } },
      { kernel_id: ids[1], p_ok: 0, m: 5, sigma_low: 0.25, sigma_high: 0.5 },
      { kernel_id: ids[2], p_ok: 0.5, m: 5, sigma_low: 1e-9, sigma_high: 0.5, why: "unknown members are ignored" },
    ];
    const forecaster = await scripted();
    const answer = await forecaster.forecast(told([say({ forecasts, cost: { tokens: 7, usd: 0.01 } })]));
    expect(answer.forecasts[0]?.m).toBeCloseTo(Math.log2(100), 12);
    expect(answer.forecasts[0]?.sigmaHigh).toBeCloseTo(2 / 1.2816, 12);
    expect(answer.forecasts[1]).toEqual({ kernelId: ids[1], pOk: 0, m: 5, sigmaLow: 0.25, sigmaHigh: 0.5 });
    expect(answer.forecasts[2]?.sigmaLow).toBe(0.001);
    expect(answer.cost).toMatchObject({ tokens: 7, usd: 0.01 });
    expect(answer.cost.cpuSeconds).toBeGreaterThan(0);
  });

  it("asks once again for what is missing, in batches of the program's size, and shows no origin", async () => {
    const log = join(mkdtempSync(join(tmpdir(), "kernelcast-forecaster-")), "log");
    const forecaster = await scripted('{"id":"$ID","protocol":1,"name":"mine","batch":2}', log);
    expect(forecaster.name).toBe("mine");
    const only = say({ forecasts: [{ kernel_id: ids[2], ...good }] });
    await expect(forecaster.forecast(told([only]))).rejects.toThrow(/which was not asked/);
    const request = told([say({ forecasts: [] })]);
    const evidence = new Map([[ids[0] ?? "", { regs: 40 }]]);
    const spoilt = request.candidates.map((kernel) => ({ ...kernel, idea: "secret", origin: "secret" }));
    expect((await forecaster.forecast({ ...request, candidates: spoilt, evidence })).forecasts).toEqual([]);
    const lines = readFileSync(log, "utf8").trimEnd().split("\n");
    const asked = lines.map((line) => JSON.parse(line) as { candidates?: { kernel_id: string }[]; evidence?: object });
    const batches = asked.slice(3).map(({ candidates }) => candidates?.map(({ kernel_id }) => kernel_id));
    expect(batches).toEqual([ids.slice(0, 2), ids.slice(0, 2), ids.slice(2), ids.slice(2)]);
    expect(asked[3]?.evidence).toEqual({ [ids[0] ?? ""]: { regs: 40 } });
    expect(asked[5]?.evidence).toBe(undefined);
    expect(lines.join("\n")).not.toContain("secret");
  });

  const each = (change: object): Step => say({ forecasts: [{ kernel_id: ids[0], ...good, ...change }] });
  it.each<[string, readonly Step[], RegExp]>([
    ["a text", [{ say: "Loading …" }], /sent a line that is not JSON: Loading …/],
    ["NaN", [{ say: '{"id": "$ID", "forecasts": [{"p_ok": NaN}]}' }], /not JSON/],
    ["no id", [{ say: '{"forecasts": []}' }], /an answer without an id/],
    ["another id", [{ say: '{"id": "x", "forecasts": []}' }], /an answer to "x", which does not wait/],
    ["no forecasts", [say({})], /gave a wrong answer: forecasts: /],
    ["a p_ok above 1", [each({ p_ok: 1.5 })], /forecasts\.0\.p_ok: /],
    ["a negative time", [each({ runtime_us: { p10: -1, p50: 1, p90: 2 } })], /runtime_us\.p10: /],
    ["falling quantiles", [each({ runtime_us: { p10: 3, p50: 2, p90: 4 } })], /must rise from p10 to p90/],
    ["no distribution", [each({ runtime_us: undefined })], /needs runtime_us/],
    ["a width of 0", [each({ runtime_us: undefined, m: 1, sigma_low: 0, sigma_high: 1 })], /sigma_low/],
    ["one kernel twice", [say({ forecasts: [0, 0].map(() => ({ kernel_id: ids[0], ...good })) })], /twice/],
    ["a negative cost", [say({ forecasts: [], cost: { usd: -1 } })], /cost\.usd/],
    ["an error of its own", [say({ error: "no\nmodel" })], /could not forecast: no model/],
    [
      "a crash",
      [{ complain: "Traceback\nValueError: x" }, { exit: 3 }],
      /exited with code 3 .*it said: ValueError: x$/,
    ],
    ["an early end", [{ exit: 0 }], /exited with code 0 before it answered/],
    ["no answer", [{ wait: 60_000 }], /did not answer within 0\.5 s/],
  ])("refuses %s in one line, and goes on with a new process", async (_, steps, message) => {
    const forecaster = await scripted(undefined, undefined, steps.some((step) => "wait" in step) ? 0.5 : 20);
    const fault = await forecaster.forecast(told(steps)).catch((error: unknown) => error);
    expect(KernelcastError.isInstance(fault) && fault.code).toBe("model");
    expect((fault as Error).message).toMatch(message);
    expect((fault as Error).message).not.toContain("\n");
    expect((await forecaster.forecast(told([{ good: true }]))).forecasts).toHaveLength(3);
  });

  it.each<[string, string, RegExp]>([
    ["no program", "/no/such/program", /could not be started: no such program/],
    ["an empty command", " ", /command: needs a program/],
    ["an open quote", "python3 'my.py", /not finished/],
    [
      "another version",
      `${quoteWord(process.execPath)} ${quoteWord(script)} '{"id":"$ID","protocol":2}'`,
      /hello wrongly: protocol: must be 1/,
    ],
    ["a program that ends", "true", /exited with code 0 before it answered/],
  ])("says so at once of %s", async (_, command, message) => {
    await expect(openCommandForecaster({ command, limitSeconds: 20 })).rejects.toThrow(message);
  });

  it("ends with everything it started when it is closed", async () => {
    const seconds = `61.${process.pid}`;
    const running = (): string => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
    const forecaster = await openCommandForecaster({
      command: `sh -c ${quoteWord(`sleep ${seconds} & ${quoteWord(process.execPath)} ${quoteWord(script)}`)}`,
    });
    expect(running()).toContain(`sleep ${seconds}`);
    await forecaster.close?.();
    expect(running()).not.toContain(`sleep ${seconds}`);
  });
});

describe("answers of any form", () => {
  it("are forecasts or one line of fault, never anything else", async () => {
    const forecaster = await scripted();
    const number = fc.oneof(fc.double(), fc.constantFrom(0, 1, -1, 1e308, 5e-324, 100));
    const row = fc.record(
      {
        kernel_id: fc.oneof(fc.constantFrom(...ids), fc.string()),
        p_ok: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.anything()),
        runtime_us: fc.oneof(fc.record({ p10: number, p50: number, p90: number }), fc.anything()),
        m: number,
        sigma_low: number,
        sigma_high: number,
      },
      { requiredKeys: ["kernel_id"] },
    );
    const answer = fc.oneof(
      fc.record({ id: fc.constant("$ID"), forecasts: fc.array(row, { maxLength: 4 }), cost: fc.anything() }),
      fc.json().map((text): unknown => JSON.parse(text)),
    );
    await fc.assert(
      fc.asyncProperty(answer, async (value) => {
        const text = JSON.stringify(value, (_key, member: unknown) => (typeof member === "bigint" ? null : member));
        const outcome = await forecaster.forecast(told([{ say: text ?? "" }])).catch((error: unknown) => error);
        if (KernelcastError.isInstance(outcome)) {
          expect(outcome.code).toBe("model");
          expect(outcome.message).not.toMatch(/\n|\p{Cc}/u);
          return;
        }
        const { forecasts } = outcome as Awaited<ReturnType<Forecaster["forecast"]>>;
        for (const { kernelId, pOk, m, sigmaLow, sigmaHigh } of forecasts) {
          expect(ids).toContain(kernelId);
          expect(pOk >= 0 && pOk <= 1 && sigmaLow > 0 && sigmaHigh > 0).toBe(true);
          expect([m, sigmaLow, sigmaHigh, 2 ** m, 2 ** (m + 3 * sigmaHigh)].every(Number.isFinite)).toBe(true);
        }
      }),
      { numRuns: 80, seed: 1 },
    );
  });
});
