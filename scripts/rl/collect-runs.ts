/**
 * `npx tsx scripts/rl/collect-runs.ts FROM [--to docs/results/rl]`: copies what the study's report reads of the runs that its study.json names, from the
 * trainer's folders in FROM: events, model card, and forecasts, compressed; and each run's configuration, from FROM/configs. A folder NAME-pools
 * becomes NAME/forecasts-pools. Paths of the machine that they were made on are cut to where the runs begin.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { readStudy } from "./study.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { to: { type: "string", default: "docs/results/rl" } },
});
const [from] = positionals;
if (from === undefined) throw new Error("name the folder that holds the runs");
const source: string = from;
const { arms } = await readStudy(values.to);
const names = arms.flatMap(({ runs }) => runs).filter((run) => existsSync(join(source, run, "events.jsonl")));
for (const name of names) {
  const target = join(values.to, name);
  mkdirSync(target, { recursive: true });
  for (const file of readdirSync(join(source, name))) {
    const path = join(source, name, file);
    if (/^forecasts-\w+\.jsonl$/.test(file)) compress(path, join(target, `${file}.gz`));
    if (["events.jsonl", "MODEL_CARD.md"].includes(file)) copy(path, join(target, file));
  }
  const pools = join(source, `${name}-pools`, "forecasts-test.jsonl");
  if (existsSync(pools)) compress(pools, join(target, "forecasts-pools.jsonl.gz"));
  // What was not trained has configurations of its judgements alone.
  const configs = [`${name}.json`, `${name}-test.json`].map((file) => join(source, "configs", file));
  const config = configs.find((path) => existsSync(path));
  if (config !== undefined) copy(config, join(target, "config.json"));
}
console.error(`${names.length} runs from ${source} to ${values.to}`);

function compress(path: string, target: string): void {
  writeFileSync(target, gzipSync(readFileSync(path), { level: 9 }));
}

function copy(path: string, target: string): void {
  writeFileSync(target, withoutPlace(readFileSync(path, "utf8")));
}

/** Absolute paths lose what stands before the runs. */
function withoutPlace(text: string): string {
  return text.replaceAll(/(?<![\w.])\/[\w./-]*?(?=(?:training-runs|training-data|\.test-model)\b)/g, "");
}
