/**
 * `npx tsx atlas/generators/kit/cli.ts TASK [--out FILE] [--compile N]`: expands a generator, prints its counts, writes JSON
 * Lines, compiles N of its kernels with nvcc and prints what was refused.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { resolveLaunch } from "../../../src/domain/index.ts";
import { loadTask } from "../../../src/formats/load-task.ts";
import { compileSample } from "./compile.ts";
import { expandGenerator, type GeneratedKernel } from "./expand.ts";
import type { Generator } from "./generator.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string" }, compile: { type: "string" } },
});
const taskId = positionals[0] ?? "";
const task = await loadTask(new URL(`../../../tasks/${taskId}`, import.meta.url).pathname);
const { default: generator } = (await import(`../${taskId}.ts`)) as { default: Generator };
const kernels = expandGenerator(generator, task.seedKernel, task.workload.sizes);
for (const { kernel } of kernels) for (const launch of kernel.launches) resolveLaunch(launch, task.workload.sizes);

const structures = new Set(kernels.map(({ structure }) => structure));
const depths = new Map<string | null, number>([[null, -1]]);
for (const { kernel, parentId } of kernels) depths.set(kernel.kernelId, (depths.get(parentId) ?? 0) + 1);
const perTemplate = countBy(kernels);
console.log(
  JSON.stringify(
    {
      task: taskId,
      kernels: kernels.length,
      templates: generator.templates.length,
      mistakes: generator.mistakes.length,
      mistake_share: Number((generator.mistakes.length / kernels.length).toFixed(3)),
      distinct_structures: structures.size,
      constant_only_share: Number((1 - structures.size / kernels.length).toFixed(3)),
      depth: Math.max(...depths.values()),
      per_template: perTemplate,
    },
    null,
    2,
  ),
);
if (values.out)
  await writeFile(values.out, kernels.map((kernel) => `${JSON.stringify({ task_id: taskId, ...kernel })}\n`).join(""));
if (values.compile) {
  const refusals = await compileSample(kernels, Number(values.compile));
  for (const { templateId, idea, error } of refusals) console.log(`refused: ${templateId} (${idea}): ${error}`);
  console.log(`${refusals.length} refused of ${Math.min(kernels.length, Number(values.compile))}`);
}

function countBy(list: readonly GeneratedKernel[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { templateId } of list) counts[templateId] = (counts[templateId] ?? 0) + 1;
  return counts;
}
