import { appendFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import type { Task } from "../../domain/index.ts";
import { executionFacts } from "../../forecast/static/execution/execution-facts.ts";
import { h100, kernelOf, taskOf } from "../../forecast/static/__fixtures__/small-tasks.ts";
import { FactsCache } from "../../forecast/static/facts-cache.ts";
import { KeptExecutions } from "./kept-executions.ts";

const scratch = mkdtempSync(join(tmpdir(), "kernelcast-executions-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const n = 4096;
const task = taskOf("copy", n);
const kernelWith = (body: string) =>
  kernelOf(
    `extern "C" __global__ void k(const float* x, float* y, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; ${body} }`,
    { grid: [n / 256, 1, 1], block: [256, 1, 1] },
    n,
  );
const [copying, idle] = [kernelWith("y[i] = x[i];"), kernelWith("")];

it("gives what was kept, in every number the same, and runs no kernel again", () => {
  const first = new FactsCache(KeptExecutions.open(scratch));
  const read = [copying, idle].map((kernel) => first.get(kernel, task, h100, undefined).execution);
  expect(read).toEqual([copying, idle].map((kernel) => executionFacts(kernel, task)));
  const later = KeptExecutions.open(scratch);
  expect([copying, idle].map((kernel) => later.get(kernel, task))).toEqual(read);
  const marked = { ...(read[0] as (typeof read)[0]), coverage: Number.NaN, reason: "kept" };
  later.put(copying, task, marked);
  const again = new FactsCache(KeptExecutions.open(scratch));
  expect(again.get(copying, task, h100, undefined).execution).toMatchObject({ coverage: Number.NaN, reason: "kept" });
});

it("keeps tasks apart, and does not read what was not finished", () => {
  const kept = KeptExecutions.open(scratch);
  const other: Task = { ...task, title: "another" };
  expect(kept.get(copying, other)).toBeUndefined();
  kept.put(copying, other, executionFacts(copying, other));
  const [folder = ""] = readdirSync(join(scratch, "bench"));
  for (const name of readdirSync(join(scratch, "bench", folder)))
    appendFileSync(join(scratch, "bench", folder, name), `\n${idle.kernelId} AAAA ;\n${idle.kernelId} /w8`);
  kept.put(idle, task, executionFacts(idle, task));
  expect(KeptExecutions.open(scratch).get(copying, other)).toBeDefined();
  expect(KeptExecutions.open(scratch).get(idle, other)).toBeUndefined();
  expect(KeptExecutions.open(scratch).get(idle, task)).toEqual(executionFacts(idle, task));
});
