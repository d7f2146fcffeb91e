/**
 * `npx tsx scripts/agreement-report.ts --workspace DIR --responses FILE --out FILE.json`: how far a second GPU run
 * (see agreement-requests.ts) agrees with a workspace's runs, and its confirmations with one another.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createPolicy, type PolicyName } from "../src/decide/policies.ts";
import { readWorkerRun } from "../src/formats/worker-responses.ts";
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
    responses: { type: "string" },
    out: { type: "string" },
  },
});
if (!values.responses || !values.out) throw new Error("give --responses and --out");

const { answers, device, environment } = await readWorkerRun(values.responses, 2);
const second = new Map(answers.map((answer) => [answer.request_id ?? "", answer]));
const workspace = openWorkspace(values.workspace);
const runs = workspace.store.runs();
const screens = runs.flatMap(({ runId, config }) => screenPairs(workspace, runId, config as SearchConfig));
const confirmations = [...second.keys()].filter((id) => id.includes("/confirm-a/")).flatMap(confirmationPair);
const result = {
  command: "npx tsx scripts/agreement-report.ts",
  device: device?.name,
  environment,
  screened_again: summarise(screens),
  confirmed_twice: summarise(confirmations),
  pairs: { screened_again: screens, confirmed_twice: confirmations },
};
writeFileSync(values.out, `${JSON.stringify(result, null, 1)}\n`);
console.log(
  JSON.stringify({ screened_again: result.screened_again, confirmed_twice: result.confirmed_twice }, null, 2),
);
workspace.store.close();

function screenPairs({ store }: Workspace, runId: string, config: SearchConfig): Pair[] {
  const state = replayRun(store, runId, createPolicy(config.policy as PolicyName))?.state;
  if (!state) return [];
  return state.okIds.flatMap((kernel) => {
    const again = second.get(`${runId}/screen/${kernel}`);
    const before = state.candidates.get(kernel)?.measurement;
    if (again?.status !== "ok" || !before) return [];
    return [{ run: runId, kernel, first_us: before.runtime.medianUs, second_us: again.runtime_us.median }];
  });
}

function confirmationPair(id: string): Pair[] {
  const [run = "", , kernel = ""] = id.split("/");
  const [a, b] = [second.get(id), second.get(id.replace("/confirm-a/", "/confirm-b/"))];
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
