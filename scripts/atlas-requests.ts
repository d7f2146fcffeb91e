/**
 * `npx tsx scripts/atlas-requests.ts --pass 1 --out requests.jsonl [--tasks a,b] [--limit N] [--seed 1]`: expands the
 * generators and writes one pass of worker requests, for `python3 -m kernelcast_worker < requests.jsonl > responses.jsonl`.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { keyedShuffle, type Kernel } from "../src/domain/index.ts";
import { workerRequests } from "../src/formats/worker-requests.ts";
import { expandAtlas } from "./atlas-tasks.ts";

const { values } = parseArgs({
  options: {
    pass: { type: "string", default: "1" },
    out: { type: "string", default: "requests.jsonl" },
    tasks: { type: "string", default: "" },
    limit: { type: "string" },
    seed: { type: "string", default: "1" },
    "gpu-s": { type: "string" },
    "timeout-s": { type: "string" },
  },
});

const atlas = await expandAtlas(values.tasks.split(",").filter((name) => name !== ""));
const groups = atlas.map(({ task, kernels }) => ({ task, kernels: limited(kernels.map(({ kernel }) => kernel)) }));
const limits = {
  ...(values["gpu-s"] ? { gpuS: Number(values["gpu-s"]) } : {}),
  ...(values["timeout-s"] ? { timeoutS: Number(values["timeout-s"]) } : {}),
};
const requests = [
  ...workerRequests(groups, {
    pass: Number(values.pass),
    seed: Number(values.seed),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  }),
];
writeFileSync(values.out, requests.map((request) => `${JSON.stringify(request)}\n`).join(""));
for (const { task, kernels } of groups) console.log(`${task.taskId}\t${kernels.length}`);
console.log(`${requests.length} requests in ${values.out}`);

/** A keyed sample for trials; the seed kernel, which comes first, is always in it. */
function limited(kernels: readonly Kernel[]): readonly Kernel[] {
  if (values.limit === undefined) return kernels;
  const [first, ...rest] = kernels;
  return first ? [first, ...keyedShuffle(rest, 1, "limit").slice(0, Number(values.limit) - 1)] : [];
}
