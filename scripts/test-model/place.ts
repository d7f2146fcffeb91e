/** Where `npm run fetch:test-model` puts what the tests with a real model need: a folder of the checkout that git ignores. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

export const testModelFolder: string = join(root, ".test-model");

/** The library is linked from here, so that it is found as any package of the checkout is. `npm ci` takes the link away. */
export const libraryLink: string = join(root, "node_modules", "node-llama-cpp");

/** The model's file; KERNELCAST_TEST_MODEL names another. */
export function testModelFile(env: NodeJS.ProcessEnv = process.env): string {
  return env["KERNELCAST_TEST_MODEL"] || join(testModelFolder, "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
}

/** Why tests with the real model cannot run here; undefined where they can. */
export function testModelLacks(): string | undefined {
  return lacking([testModelFile(), libraryLink]);
}

/** The same of tests that bring a model of their own. */
export function testLibraryLacks(): string | undefined {
  return lacking([libraryLink]);
}

function lacking(paths: readonly string[]): string | undefined {
  const lacks = paths.filter((path) => !existsSync(path));
  return lacks.length === 0 ? undefined : `no ${lacks.join(" and no ")}: npm run fetch:test-model`;
}
