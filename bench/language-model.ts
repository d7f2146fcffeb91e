/**
 * `npm run bench:language-model [-- --calls 2000 --latency 100 --concurrency 64 --json]`: calls a second against the fake server,
 * which runs in a process of its own, and the most memory of the calling process; then the same calls again from the store's
 * file, of which none may reach the server. The prompts are as long as a forecast of one kernel, some 6 kB.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { GenerateRequest } from "../src/domain/index.ts";
import { createLanguageModels } from "../src/language-model/index.ts";
import { mapLimited } from "../src/serve/map-limited.ts";
import { openAnswerStore } from "../src/store/sqlite-run-store.ts";
import { startFakeLanguageModelServer } from "../src/testing/fake-language-model-server.ts";

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "2000" },
    latency: { type: "string", default: "100" },
    concurrency: { type: "string", default: "64" },
    json: { type: "boolean", default: false },
    serve: { type: "boolean", default: false },
  },
});

const schema = {
  type: "object",
  properties: { p_ok: { type: "number" }, p50: { type: "number" } },
  required: ["p_ok", "p50"],
  additionalProperties: false,
};

if (values.serve) await serve();
else await bench();

/** Prints its address, and for every line of input how many requests it has had. */
async function serve(): Promise<void> {
  const server = await startFakeLanguageModelServer({ latencyMs: Number(values.latency) });
  console.log(server.url);
  for await (const _line of createInterface({ input: process.stdin })) {
    console.log(String(server.requests.length + server.probes));
  }
  await server.close();
}

async function bench(): Promise<void> {
  const file = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [...process.execArgv, file, "--serve", "--latency", values.latency], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => String((await lines.next()).value);
  const url = await next();
  const served = async (): Promise<number> => {
    child.stdin.write("count\n");
    return Number(await next());
  };
  const folder = mkdtempSync(join(tmpdir(), "kernelcast-bench-"));
  try {
    const first = await askAll(url, join(folder, "runs.sqlite"));
    const requests = await served();
    const again = await askAll(url, join(folder, "runs.sqlite"));
    const result = {
      calls: Number(values.calls),
      latency_ms: Number(values.latency),
      concurrency: Number(values.concurrency),
      calls_per_second: Math.round(first.calls / first.seconds),
      most_memory_mb: Math.round(process.resourceUsage().maxRSS / 1024),
      second_run_requests: (await served()) - requests,
      second_run_calls_per_second: Math.round(again.calls / again.seconds),
    };
    console.log(values.json ? JSON.stringify(result) : inWords(result));
  } finally {
    child.stdin.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function askAll(url: string, path: string): Promise<{ calls: number; seconds: number }> {
  const answers = openAnswerStore(path);
  const models = createLanguageModels({
    environment: {},
    answers,
    limits: { concurrency: Number(values.concurrency) },
    budget: { tokens: 1e9 },
  });
  const model = await models.open(`openai-compatible:fake@${url}`);
  const started = performance.now();
  const places = Array.from({ length: Number(values.calls) }, (_, index) => index);
  const outcomes = await mapLimited(places, 2 * Number(values.concurrency), (index) =>
    model.generate(requestOf(index)),
  );
  const seconds = (performance.now() - started) / 1000;
  const failed = outcomes.find(({ kind }) => kind === "failed");
  if (failed) throw new Error(JSON.stringify(failed));
  answers.close?.();
  return { calls: outcomes.length, seconds };
}

function requestOf(index: number): GenerateRequest {
  const source = `  out[i + ${index}] = a[i] * b[i] + c[i];\n`.repeat(150);
  return { purpose: "forecast", system: "Forecast the kernel's runtime.", prompt: source, schema, maxTokens: 200 };
}

interface Result {
  readonly calls: number;
  readonly latency_ms: number;
  readonly concurrency: number;
  readonly calls_per_second: number;
  readonly most_memory_mb: number;
  readonly second_run_requests: number;
  readonly second_run_calls_per_second: number;
}

function inWords(result: Result): string {
  const { calls, latency_ms, concurrency, calls_per_second, most_memory_mb } = result;
  return (
    `${calls} calls at ${latency_ms} ms, ${concurrency} at once: ${calls_per_second} calls/s, at most ${most_memory_mb} MB; ` +
    `again: ${result.second_run_requests} requests, ${result.second_run_calls_per_second} calls/s`
  );
}
