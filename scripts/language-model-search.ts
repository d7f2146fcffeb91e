/**
 * `npm run results:language-model-search`: whole searches through the command line in which a fake server writes the kernels and
 * forecasts them, on the recorded device; writes docs/results/language-model-search.md and .json. The server knows no measurement: it
 * hands out the recording's kernels and judges sources by what they use. Some of its answers are faults, always the same ones.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256Hex, toWireLaunches, type RecordedKernel, type Task } from "../src/domain/index.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import type { SearchSummary } from "../src/search/summary.ts";
import { startFakeLanguageModelServer, type FakeChatAnswer, type FakeChatRequest } from "../src/testing/index.ts";
import { markdownTable } from "./markdown.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = join(root, "docs/results/language-model-search");
const tasks = ["softmax-f32", "attention-f16"];
const price = { inputUsd: 1, outputUsd: 4 };
const latencyMs = 20;
const flags = ["--measurements", "32", "--seed", "1", "--usd", "5", "--json"];
/** Names the model in logs, so that equal runs have equal ones. */
const port = 18_473;

/** A server for one task: the prompts of forecasts and the seeds of proposals choose its faults, whatever comes first. */
function answersOf(task: Task, kernels: readonly RecordedKernel[]): (request: FakeChatRequest) => FakeChatAnswer {
  const limited = new Set<string>();
  /** Refused for its rate the first time that it is asked. */
  const isLimited = (prompt: string): boolean => !limited.has(prompt) && Boolean(limited.add(prompt));
  return (request) => {
    const { prompt, seed = 0 } = request;
    if (!/^Forecast K\d/m.test(prompt)) {
      if (seed % 17 === 0 && isLimited(prompt)) return tooMany;
      if (seed % 29 === 0) return { text: "", refusal: "I do not write this kernel" };
      const { kernel } = kernels[seed % kernels.length] as RecordedKernel;
      const text = JSON.stringify({
        idea: "from the server",
        source: kernel.source,
        launches: toWireLaunches(kernel, task.workload),
      });
      return seed % 13 === 0 ? text.slice(0, Math.floor(text.length / 2)) : text;
    }
    const kind = prompt.includes("An earlier answer")
      ? Number.NaN
      : Number.parseInt(sha256Hex(prompt).slice(0, 8), 16) % 9;
    return kind === 5 && isLimited(prompt) ? tooMany : forecastWithFault(prompt, kind);
  };
}

const tooMany: FakeChatAnswer = { status: 429, message: "too many requests", retryAfterSeconds: 0.05 };

interface Entry {
  readonly kernel: string;
  readonly p_ok: number;
  readonly us_p10: number;
  readonly us_p50: number;
  readonly us_p90: number;
}

/** Forecasts of the kernels that a prompt asks for; four kinds of prompts get an answer at fault. */
function forecastWithFault(prompt: string, kind: number): FakeChatAnswer {
  const entries = labelsOf(prompt).map((label) => judge(prompt, label));
  const first = (change: Partial<Entry>): string =>
    answer(entries.map((entry, place) => (place === 0 ? { ...entry, ...change } : entry)));
  if (kind === 1) return answer(entries).slice(0, 400);
  if (kind === 2) return first({ us_p10: 1e6 });
  if (kind === 3) return first({ p_ok: 7 });
  if (kind === 4) return { text: "", refusal: "I do not forecast kernels" };
  return answer(entries);
}

function answer(forecasts: readonly Entry[]): string {
  return JSON.stringify({ forecasts });
}

function labelsOf(prompt: string): string[] {
  return prompt.slice(prompt.lastIndexOf("\n") + 1).match(/\bK\d{2,}\b/g) ?? [];
}

/** What a source uses makes it faster than the slowest kernel shown, by so much each. */
const uses: readonly (readonly [RegExp, number])[] = [
  [/float4|int4|uint4|half2/, 1.5],
  [/__shared__/, 2],
  [/__shfl|wmma|mma/, 1.6],
  [/#pragma unroll/, 1.1],
];

function judge(prompt: string, label: string): Entry {
  const shown = [...prompt.matchAll(/^M\d+ takes ([\d.e+-]+) µs/gm)].map(([, us]) => Number(us));
  const start = prompt.indexOf(label);
  const source = prompt.slice(start, prompt.indexOf("\nK", start + 1) >>> 0);
  const faster = uses.reduce((factor, [sign, by]) => (sign.test(source) ? factor * by : factor), 1);
  const us = Math.max(...shown, 1) / faster;
  return { kernel: label, p_ok: 0.9, us_p10: us / 3, us_p50: us, us_p90: us * 2 };
}

async function searchOf(taskId: string): Promise<SearchSummary> {
  const atlas = await loadRecording(join(root, "atlas"), { tasks: [taskId] });
  const task = atlas.tasks.get(taskId)?.task;
  if (!task) throw new Error(`the atlas has no ${taskId}`);
  const options = JSON.stringify(task.seedKernel.compileOptions);
  const kernels = atlas
    .kernels(taskId)
    .filter(({ kernel }) => JSON.stringify(kernel.compileOptions) === options && kernel !== task.seedKernel);
  const server = await startFakeLanguageModelServer({ answer: answersOf(task, kernels), latencyMs, price, port });
  const workspace = mkdtempSync(join(tmpdir(), "kernelcast-language-model-search-"));
  try {
    const model = server.specification();
    const ends = ["--proposer", model, "--forecaster", model, "--workspace", workspace];
    return JSON.parse(await runCli(["search", taskId, ...ends, ...flags])) as SearchSummary;
  } finally {
    await server.close();
    rmSync(workspace, { recursive: true, force: true });
  }
}

async function runCli(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(root, "bin/kernelcast.js"), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`kernelcast ${args.join(" ")} ended with ${code}`);
  return text;
}

function foundTable(runs: readonly SearchSummary[]): string {
  return markdownTable(
    [
      "task",
      "considered",
      "duplicates",
      "measured",
      "skipped",
      "failed",
      "seed µs",
      "best µs",
      "speedup",
      "stopped by",
    ],
    runs.map(({ task, seed_kernel: seed, best, stopped, ...counts }) => [
      task,
      counts.considered,
      counts.duplicates,
      counts.measured,
      counts.skipped,
      counts.failed,
      seed.runtime_us ?? "–",
      best?.runtime_us ?? "–",
      best ? `${best.speedup.toFixed(2)} ×` : "–",
      stopped ?? "–",
    ]),
  );
}

function callTable(runs: readonly SearchSummary[]): string {
  return markdownTable(
    ["task", "purpose", "calls", "failed", "why", "requests", "tokens in", "tokens out", "USD"],
    runs.flatMap(({ task, language_models: calls = [] }) =>
      calls.map((row) => [
        task,
        row.purpose,
        row.calls,
        row.failed,
        countsText(row.faults),
        row.requests,
        row.input_tokens,
        row.output_tokens,
        row.usd ?? "–",
      ]),
    ),
  );
}

function faultTable(runs: readonly SearchSummary[]): string {
  return markdownTable(
    [
      "task",
      "answers at fault",
      "kernels without a forecast",
      "proposals that came to nothing",
      "worth it above USD an hour of GPU",
    ],
    runs.map(({ task, answer_faults: faults, forecast_failures: lacking, proposal_failures: lost, worth }) => [
      task,
      countsText(faults),
      countsText(lacking),
      countsText(lost?.by_kind),
      worth?.break_even_gpu_usd_per_hour ?? "–",
    ]),
  );
}

function countsText(counts: Readonly<Record<string, number>> = {}): string {
  const told = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return told.join(", ") || "none";
}

function page(runs: readonly SearchSummary[]): string {
  return `# Searches with a language model's server at both ends

The command line over real HTTP against the fake server of \`kernelcast/testing\` (${latencyMs} ms latency), which writes the kernels and forecasts them, on the recorded H100: what a
search asks, what it costs and how faults are dealt with. **It says nothing of how well a model forecasts**: the server hands out kernels of the recording by the number of the
request, and forecasts by whether a source uses vector loads, shared memory, shuffles and unrolling, without a measurement but those that the prompt shows.

Its price is ${price.inputUsd} USD for a million tokens in and ${price.outputUsd} out. Proposals whose seed is a multiple of 17 are answered with status 429 the first time; they break off
(13) or are refused (29). Forecasts have by the digest of their prompt, one of nine each, half a JSON, quantiles out of order, a probability of 7, a refusal, or status 429 the first time.

\`npm run results:language-model-search\`; each search is \`kernelcast search TASK --proposer MODEL --forecaster MODEL ${flags.join(" ")}\`.

## What was found

${foundTable(runs)}

## What was asked

${callTable(runs)}

The longest call took ${Math.max(...runs.flatMap(({ language_models: calls = [] }) => calls.map((row) => row.latency_seconds.longest))).toFixed(2)} s when this was made, retries included; on recorded devices calls take no time of the run.

## What was wrong, and what it came to

${faultTable(runs)}

An answer at fault is asked for once more; kernels that still lack a forecast are measured last. The break-even is the price of a GPU hour below which measuring all is cheaper than
asking this server at its price.
`;
}

const runs: SearchSummary[] = [];
for (const task of tasks) runs.push(await searchOf(task));
const told = runs.map((run) => ({ ...run, report: undefined }));
writeFileSync(`${out}.json`, `${JSON.stringify({ price, latency_ms: latencyMs, runs: told }, null, 2)}\n`);
writeFileSync(`${out}.md`, page(runs));
console.log(runs.map(({ task, best }) => `${task}: ${best?.speedup.toFixed(2)}x`).join("\n"));
