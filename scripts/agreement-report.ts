/**
 * `npx tsx scripts/agreement-report.ts --workspace DIR --responses A --responses B --out FILE.json`: how
 * far two more worker processes (see agreement-requests.ts) agree with a workspace's runs and with each other.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createPolicy, type PolicyName } from "../src/decide/policies.ts";
import { readWorkerRun, type WorkerRun } from "../src/formats/worker-responses.ts";
import type { SearchConfig } from "../src/search/events.ts";
import { replayRun } from "../src/search/replay.ts";
import { openWorkspace, type Workspace } from "../src/serve/workspace.ts";

interface Pair {
  readonly run: string;
  readonly kernel: string;
  readonly first_us: number;
  readonly second_us: number;
}

const { values } = parseArgs({
  options: {
    workspace: { type: "string", default: ".kernelcast" },
    responses: { type: "string", multiple: true },
    out: { type: "string" },
  },
});
const [pathA, pathB] = values.responses ?? [];
if (!pathA || !pathB || !values.out) throw new Error("give --responses twice, and --out");

const [runA, runB] = await Promise.all([readWorkerRun(pathA, 1), readWorkerRun(pathB, 2)]);
const [answersA, answersB] = [byRequest(runA), byRequest(runB)];
const workspace = openWorkspace(values.workspace);
const screens = workspace.store
  .runs()
  .flatMap(({ runId, config }) => screenPairs(workspace, runId, config as SearchConfig));
const confirmations = [...answersA.keys()].filter((id) => id.includes("/confirm/")).flatMap(confirmationPair);
const agreement = { screened_again: summarise(screens), confirmed_in_two_processes: summarise(confirmations) };
const environments = [runA, runB].map(({ device, environment }) => ({ device: device?.name, ...environment }));
const allPairs = { screened_again: screens, confirmed_in_two_processes: confirmations };
writeFileSync(values.out, `${JSON.stringify({ ...agreement, environments, pairs: allPairs }, null, 1)}\n`);
console.log(JSON.stringify(agreement, null, 2));
workspace.store.close();

function byRequest({ answers }: WorkerRun): ReadonlyMap<string, WorkerRun["answers"][number]> {
  return new Map(answers.map((answer) => [answer.request_id, answer]));
}

function screenPairs({ store }: Workspace, runId: string, config: SearchConfig): Pair[] {
  const state = replayRun(store, runId, createPolicy(config.policy as PolicyName))?.state;
  if (!state) return [];
  return state.okIds.flatMap((kernel) => {
    const again = answersA.get(`${runId}/screen/${kernel}`);
    const before = state.candidates.get(kernel)?.measurement;
    if (again?.status !== "ok" || !before) return [];
    return [{ run: runId, kernel, first_us: before.runtime.medianUs, second_us: again.runtime_us.median }];
  });
}

function confirmationPair(id: string): Pair[] {
  const [run = "", , kernel = ""] = id.split("/");
  const [a, b] = [answersA.get(id), answersB.get(id)];
  if (a?.status !== "ok" || b?.status !== "ok") return [];
  return [{ run, kernel, first_us: a.runtime_us.median, second_us: b.runtime_us.median }];
}

function summarise(pairs: readonly Pair[]): {
  readonly kernels: number;
  readonly median: number;
  readonly p90: number;
  readonly most: number;
} {
  const differences = pairs
    .map(({ first_us: first, second_us: next }) => Math.max(first / next, next / first) - 1)
    .toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Number((differences[Math.floor(share * (differences.length - 1))] ?? Number.NaN).toFixed(5));
  return { kernels: pairs.length, median: at(0.5), p90: at(0.9), most: at(1) };
}
