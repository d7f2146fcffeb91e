import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expandGenerator, type GeneratedKernel } from "../atlas/generators/kit/expand.ts";
import type { Generator } from "../atlas/generators/kit/generator.ts";
import type { Task } from "../src/domain/index.ts";
import { loadTask } from "../src/formats/load-task.ts";

/** A task of the repository with its generated kernels, parents before children. */
export interface AtlasTask {
  readonly task: Task;
  readonly kernels: readonly GeneratedKernel[];
}

const root = fileURLToPath(new URL("..", import.meta.url));

/** Expands the generators of the named tasks, or of all that have one. Tasks without templates are left out. */
export async function expandAtlas(names: readonly string[] = []): Promise<AtlasTask[]> {
  const wanted = names.length > 0 ? names : await generatorNames();
  const expanded: AtlasTask[] = [];
  for (const name of wanted) {
    const { default: generator } = (await import(`${root}atlas/generators/${name}.ts`)) as { default: Generator };
    const task = await loadTask(`${root}tasks/${name}`);
    if (generator.templates.length === 0) continue;
    expanded.push({ task, kernels: expandGenerator(generator, task.seedKernel, task.workload.sizes) });
  }
  return expanded;
}

async function generatorNames(): Promise<string[]> {
  const files = await readdir(`${root}atlas/generators`);
  return files
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -".ts".length))
    .filter((name) => existsSync(`${root}tasks/${name}/task.yaml`))
    .sort();
}
