/**
 * `npm run bench:list-tokens [-- --recording atlas --json]`: the tokens of one prompt for 16 siblings against those
 * of 16 prompts for one each, over the tasks of a recording; as `docs/results/language-model.json` and `.md` tell it. Nobody is asked.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  mainDevice,
  mean,
  type DeviceInfo,
  type ForecastRequest,
  type GenerateRequest,
  type LanguageModel,
  type Recording,
} from "../src/domain/index.ts";
import { judgingRequests } from "../src/evaluate/judge-forecaster.ts";
import type { View } from "../src/evaluate/plan-view.ts";
import { createLlmForecaster } from "../src/forecast/llm/llm-forecaster.ts";
import type { LlmForecasterOptions } from "../src/forecast/llm/options.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { recordedDeviceInfo } from "../src/measure/recorded-device-figures.ts";
import { sanitisedForecaster } from "../src/serve/sanitised-forecaster.ts";
import { markdownTable } from "../scripts/markdown.ts";

const { values } = parseArgs({
  options: {
    recording: { type: "string", default: "atlas" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

const siblings = 16;
/** English and code alike; a tokenizer's own count moves both sides of the ratio. */
const charactersPerToken = 4;

interface Share {
  readonly view: View;
  readonly sources: "full" | "changes";
  readonly tasks: number;
  readonly mean: number;
  readonly worst: number;
  readonly worstTask: string;
  /** Tasks whose list costs at most 40 %. */
  readonly within: number;
}

const recording = await loadRecording(values.recording);
const device = recordedDeviceInfo(recording, mainDevice(recording) ?? "");
const shares: Share[] = [];
for (const view of ["search", "start"] as const)
  for (const sources of ["full", "changes"] as const) shares.push(await shareOf(view, sources));
if (values.write) write();
console.log(values.json ? JSON.stringify(shares) : table());

async function shareOf(view: View, sources: Share["sources"]): Promise<Share> {
  const ratios: { readonly task: string; readonly ratio: number }[] = [];
  for (const task of [...recording.tasks.keys()].sort()) {
    const question = siblingsOf(recording, task, device, view);
    if (!question) continue;
    const together = await tokensOf(question, { list: siblings, sources });
    const apart = await tokensOf(question, { list: 1, sources });
    ratios.push({ task, ratio: together / apart });
  }
  const worst = ratios.toSorted((a, b) => b.ratio - a.ratio)[0];
  return {
    view,
    sources,
    tasks: ratios.length,
    mean: round(mean(ratios.map(({ ratio }) => ratio)) ?? Number.NaN),
    worst: round(worst?.ratio ?? Number.NaN),
    worstTask: worst?.task ?? "",
    within: ratios.filter(({ ratio }) => ratio <= 0.4).length,
  };
}

/**
 * Sixteen candidates as a search has them at once, with what a forecaster is shown in the view: the children of the parent that has most
 * of them, filled up with the nearest relatives, for no parent of the atlas has sixteen. Undefined for a task with fewer kernels.
 */
function siblingsOf(from: Recording, taskId: string, on: DeviceInfo, view: View): ForecastRequest | undefined {
  const common = { device: on, taskId, evidence: true, seed: 1 } as const;
  const inSearch = judgingRequests(from, { ...common, view: "search" });
  const family = inSearch.toSorted((a, b) => b.candidates.length - a.candidates.length)[0];
  const [first] = family?.candidates ?? [];
  if (!family || !first) return undefined;
  const distance = distances(from, taskId, first.kernelId);
  const candidates = inSearch
    .flatMap((request) => request.candidates)
    .toSorted((a, b) => distance(a.kernelId) - distance(b.kernelId) || (a.kernelId < b.kernelId ? -1 : 1))
    .slice(0, siblings);
  const shown = view === "search" ? family : judgingRequests(from, { ...common, view })[0];
  return candidates.length < siblings || !shown ? undefined : { ...shown, candidates };
}

/** Steps between kernels in the tree of derivations. */
function distances(from: Recording, taskId: string, of: string): (kernelId: string) => number {
  const parents = new Map(from.kernels(taskId).map(({ kernel, parentId }) => [kernel.kernelId, parentId]));
  const lineOf = (kernelId: string): string[] => {
    const line: string[] = [];
    for (let id: string | null | undefined = kernelId; id; id = parents.get(id)) line.push(id);
    return line;
  };
  const own = lineOf(of);
  return (kernelId) => {
    const line = lineOf(kernelId);
    const shared = line.findIndex((id) => own.includes(id));
    return shared < 0 ? Number.POSITIVE_INFINITY : shared + own.indexOf(line[shared] ?? "");
  };
}

/** Tokens of all prompts, and of the answers that they ask for. */
async function tokensOf(question: ForecastRequest, options: LlmForecasterOptions): Promise<number> {
  const requests: GenerateRequest[] = [];
  const usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  const silent: LanguageModel = {
    name: "nobody",
    abilities: { schemas: false, logprobs: 0, promptCaching: false, contextTokens: 200_000, price: undefined },
    generate: (request) => {
      if (request.purpose === "forecast") requests.push(request);
      return Promise.resolve({ kind: "failed", fault: "refused", message: "nobody is asked", usage, usd: 0 });
    },
  };
  await sanitisedForecaster(createLlmForecaster(silent, { ...options, thinkingTokens: 0 })).forecast(question);
  return requests.reduce(
    (sum, { system, prompt, maxTokens }) => sum + (system.length + prompt.length) / charactersPerToken + maxTokens,
    0,
  );
}

function table(): string {
  return markdownTable(
    ["shown beside the 16", "sources", "tasks", "mean", "worst", "of", "tasks within 40 %"],
    shares.map(({ view, sources, tasks, mean: average, worst, worstTask, within }) => [
      view === "search" ? "seed, parent, eight others" : "the seed alone",
      sources === "full" ? "in full" : "as changes",
      tasks,
      percent(average),
      percent(worst),
      worstTask,
      within,
    ]),
  );
}

/** Adds the shares to the figures of `bench:language-model`, and writes both for people. */
function write(): void {
  const path = fileURLToPath(new URL("../docs/results/language-model.json", import.meta.url));
  const figures = JSON.parse(readFileSync(path, "utf8")) as Readonly<Record<string, number>>;
  writeFileSync(path, `${JSON.stringify({ ...figures, list_of_16: shares }, null, 2)}\n`);
  const page = `# Calls and prompts of language models

## Many calls

${figures["calls"]} calls to the fake server with ${figures["latency_ms"]} ms latency, ${figures["concurrency"]} at once: **${figures["calls_per_second"]} a second**, at most ${figures["most_memory_mb"]} MB; the same again:
${figures["second_run_requests"]} requests, ${figures["second_run_calls_per_second"]} a second from the store. \`npm run bench:language-model -- --json\`.

## A list of 16 siblings against 16 prompts

Tokens of one prompt for 16 candidates, over those of 16 prompts for one each, the answers' allowance included; every task of the atlas, its parent with most children (5 to 8), filled up
with their nearest relatives. Four characters are a token. Target: at most 40 %. \`npm run bench:list-tokens -- --write\`.

${table()}

In a search a prompt shows measured kernels besides, which a list shows once. With the seed alone there is little to share beside the task, and sources make most of a
prompt; as changes to the seed they hardly shrink, since changes longer than 40 % of a source are not shown as such.
`;
  writeFileSync(path.replace(/json$/, "md"), page);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function round(value: number): number {
  return Number(value.toFixed(4));
}
