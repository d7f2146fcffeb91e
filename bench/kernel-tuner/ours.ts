/**
 * `npx tsx bench/kernel-tuner/ours.ts CACHE… --out traces.jsonl [--arms random,measure-all,top-k+static] [--seeds 50] [--limit 400] [--jobs 2]`:
 * kernelcast's own search over cache files of Kernel Tuner, as traces like those of `strategies.py`, which `npm run results:kernel-tuner` judges. Runs
 * that are in the file already are not made again.
 */
import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runInParts, taskPart } from "../../scripts/in-parts.ts";
import { openArm, type Arm } from "./arms.ts";
import { readBenchSpace, type BenchSpace } from "./bench-space.ts";
import { readTraces, traceKey } from "./traces.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: "string" },
    arms: { type: "string", default: "random,measure-all,top-k+static" },
    seeds: { type: "string", default: "50" },
    limit: { type: "string", default: "400" },
    jobs: { type: "string", default: "2" },
    part: { type: "string" },
  },
});
const { out } = values;
if (out === undefined || positionals.length === 0) throw new Error("give cache files and --out FILE");
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1);
const limit = Number(values.limit);

if (values.part === undefined && Number(values.jobs) > 1) await runInParts(Number(values.jobs));
else await runAll(out, values.part ?? "1/1");

async function runAll(path: string, part: string): Promise<void> {
  const done = new Set(readTraces(path).map(traceKey));
  const arms = await Promise.all(values.arms.split(",").map((name) => openArm(name)));
  for (const file of positionals) {
    const space = await readBenchSpace(file);
    for (const arm of arms) {
      const keyOf = (seed: number): string => traceKey({ space: space.name, strategy: arm.name, seed, limit });
      const wanted = taskPart(seeds, part).filter((seed) => !done.has(keyOf(seed)));
      if (wanted.length > 0) await runArm(arm, space, wanted, path);
    }
  }
  for (const arm of arms) await arm.close?.();
}

async function runArm(arm: Arm, space: BenchSpace, wanted: readonly number[], path: string): Promise<void> {
  let total = 0;
  for (const seed of wanted) {
    const before = process.cpuUsage();
    const tried = await arm.search(space, seed, limit);
    const { user, system } = process.cpuUsage(before);
    const seconds = Number(((user + system) / 1e6).toFixed(3));
    total += seconds;
    appendFileSync(path, `${JSON.stringify({ space: space.name, strategy: arm.name, seed, limit, tried, seconds })}\n`);
  }
  console.error(`${space.name} ${arm.name}: ${wanted.length} runs, ${total.toFixed(1)} s`);
}
