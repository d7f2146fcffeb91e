/**
 * `npx tsx scripts/rl/collect-runs.ts FROM [--to docs/results/rl]`: copies what the study's report reads of the trainer's folders in FROM:
 * configuration, events, model card, and forecasts, compressed. A folder NAME-pools becomes NAME/forecasts-pools. Paths of the machine that
 * they were made on are cut to where the runs begin.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { to: { type: "string", default: "docs/results/rl" } },
});
const [from] = positionals;
if (from === undefined) throw new Error("name the folder that holds the runs");
const poolsEnding = "-pools";
const copied = readdirSync(from, { withFileTypes: true }).filter(
  (entry) => (entry.isDirectory() || entry.isSymbolicLink()) && existsSync(join(from, entry.name, "events.jsonl")),
);
for (const { name } of copied) {
  const [source, isPools] = [join(from, name), name.endsWith(poolsEnding)];
  const target = join(values.to, isPools ? name.slice(0, -poolsEnding.length) : name);
  mkdirSync(target, { recursive: true });
  for (const file of readdirSync(source)) {
    const text = (): string => readFileSync(join(source, file), "utf8");
    if (/^forecasts-\w+\.jsonl$/.test(file)) {
      const kept = isPools ? "forecasts-pools.jsonl" : file;
      writeFileSync(join(target, `${kept}.gz`), gzipSync(text(), { level: 9 }));
    } else if (!isPools && ["config.json", "events.jsonl", "MODEL_CARD.md"].includes(file)) {
      writeFileSync(join(target, file), withoutPlace(text()));
    }
  }
}
console.error(`${copied.length} folders from ${from} to ${values.to}`);

/** Absolute paths lose what stands before the runs. */
function withoutPlace(text: string): string {
  return text.replaceAll(/(?<![\w.])\/[\w./-]*?(?=(?:training-runs|training-data|\.test-model)\b)/g, "");
}
