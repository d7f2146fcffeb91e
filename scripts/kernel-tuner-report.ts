/**
 * `npm run results:kernel-tuner -- PATH… [--python python3] [--seeds 50] [--arms random,learn/measure-all] [--strategies a,b] [--jobs 2]`:
 * searches Kernel Tuner's cache files (PATH: files, or a folder with a folder for each kernel) by its strategies and by kernelcast, and writes
 * docs/results/kernel-tuner.json and .md. `--python` has bench/kernel-tuner/requirements.txt installed. Finished runs are
 * kept in .kernelcast/kernel-tuner: a bench that was stopped goes on. With `--only-report` nothing is run; `--note` is a line for the page.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readBenchSpace } from "../bench/kernel-tuner/bench-space.ts";
import { compareArms } from "../bench/kernel-tuner/compare.ts";
import { readTraces } from "../bench/kernel-tuner/traces.ts";
import { kernelTunerPage } from "./searches/kernel-tuner-page.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: "string", default: "python3" },
    seeds: { type: "string", default: "50" },
    jobs: { type: "string", default: "2" },
    arms: { type: "string", default: "random,measure-all,learn/measure-all" },
    strategies: { type: "string" },
    workspace: { type: "string", default: ".kernelcast/kernel-tuner" },
    out: { type: "string", default: "docs/results/kernel-tuner" },
    "only-report": { type: "boolean", default: false },
    note: { type: "string" },
  },
});
/** The kernel on whose spaces the constants of `tunables:learn` were chosen: decision 15. */
const chosenOn = "convolution_milo";
if (positionals.length === 0) throw new Error("give cache files of Kernel Tuner, or a folder of them");
const files = positionals.flatMap(cacheFiles);
const { seeds, jobs, workspace, out } = values;
mkdirSync(workspace, { recursive: true });
const [theirs, ours] = [join(workspace, "theirs.jsonl"), join(workspace, "ours.jsonl")];
if (!values["only-report"]) {
  const common = ["--seeds", seeds, "--jobs", jobs];
  const named = values.strategies === undefined ? [] : ["--strategies", values.strategies];
  start(values.python, ["bench/kernel-tuner/strategies.py", ...files, "--out", theirs, ...common, ...named]);
  const searches = ["bench/kernel-tuner/ours.ts", ...files, "--out", ours, ...common, "--arms", values.arms];
  start(process.execPath, [...process.execArgv, ...searches]);
}
const spaces = await Promise.all(files.map((file) => readBenchSpace(file)));
const traces = [...readTraces(theirs), ...readTraces(ours)];
const comparison = compareArms(spaces, traces);
const heldOut = spaces.filter(({ name }) => !name.startsWith(`${chosenOn}/`));
const { best } = compareArms(heldOut, traces);
writeFileSync(
  `${out}.json`,
  `${JSON.stringify({ ...comparison, held_out: { spaces: heldOut.length, best } }, null, 1)}\n`,
);
writeFileSync(`${out}.md`, kernelTunerPage(comparison, { chosenOn, spaces: heldOut.length, best }, values.note));
console.error(`wrote ${out}.json and ${out}.md`);

/** The cache files below a folder; those in the T4 format are the same measurements again. */
function cacheFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const entries = readdirSync(path, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    if (entry.isDirectory()) return cacheFiles(join(path, entry.name));
    return /(?<!_T4)\.json(\.gz)?$/.test(entry.name) ? [join(path, entry.name)] : [];
  });
}

/** Rates and strategies are single-threaded, as their times are told. */
function start(program: string, given: readonly string[]): void {
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  const { status, error } = spawnSync(program, given, { stdio: "inherit", env });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${given[0]} failed; run the command again to go on`);
}
