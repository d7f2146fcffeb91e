/**
 * `npx tsx scripts/agreement-requests.ts --workspace DIR --out FILE`: worker requests that measure again every kernel that
 * the workspace's runs measured ok: each screened, and each confirmed one confirmed against the seed kernel.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Task } from "../src/domain/index.ts";
import { toWorkerKernel, toWorkerTask, workerTaskKey } from "../src/measure/worker-messages.ts";
import { createPolicy, type PolicyName } from "../src/decide/policies.ts";
import { loadKernel } from "../src/search/catalog.ts";
import { replayRun } from "../src/search/replay.ts";
import type { SearchConfig } from "../src/search/events.ts";
import { openTask } from "../src/serve/open-task.ts";
import { openWorkspace, type Workspace } from "../src/serve/workspace.ts";

const { values } = parseArgs({
  options: {
    workspace: { type: "string", default: ".kernelcast" },
    out: { type: "string", default: "agreement.jsonl" },
  },
});
const workspace = openWorkspace(values.workspace);
const lines: object[] = [
  { id: "hello", method: "hello", params: { protocol: 1 } },
  { id: "describe", method: "describe", params: {} },
];
for (const { runId, config } of workspace.store.runs()) {
  const task = await openTask((config as SearchConfig).taskId);
  lines.push(...requestsOf(workspace, runId, (config as SearchConfig).policy as PolicyName, task));
}
writeFileSync(values.out, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
console.log(`${lines.length} requests in ${values.out}`);

function requestsOf({ store }: Workspace, runId: string, policy: PolicyName, task: Task): readonly object[] {
  const state = replayRun(store, runId, createPolicy(policy))?.state;
  if (!state) return [];
  const wire = toWorkerTask(task);
  const base = (kernelId: string, mode: string): object => ({
    request_id: `${runId}/${mode}/${kernelId}`,
    task_key: workerTaskKey(wire),
    kernel: toWorkerKernel(loadKernel(store, state, kernelId), task),
    mode,
  });
  const seedUs = state.candidates.get(state.seedId)?.measurement?.runtime.medianUs ?? 0;
  const anchor = { kernel: toWorkerKernel(task.seedKernel, task), runtime_us: seedUs };
  const requests: object[] = [{ id: `${runId}/task`, method: "task", params: { task: wire } }];
  for (const kernelId of state.okIds) {
    requests.push({ id: `${runId}/screen/${kernelId}`, method: "measure", params: base(kernelId, "screen") });
    if (!state.candidates.get(kernelId)?.confirmed) continue;
    const params = { ...base(kernelId, "confirm"), anchor };
    requests.push({ id: `${runId}/confirm/${kernelId}`, method: "measure", params });
  }
  return requests;
}
