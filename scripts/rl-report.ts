/**
 * `npm run results:rl [-- --runs docs/results/rl --recording atlas --beside static,auto,embedded --per-task 50 --seed 1 --search]`: scores the runs of
 * the study of reinforcement learning (study.json says which are there to be), raw and calibrated on split validation, beside others on
 * the same kernels, and writes docs/results/rl.md, rl.json and the learning curves. With `--search`, it also runs the searches that
 * go by their forecasts of whole pools; finished ones are kept in .kernelcast. Without, the page shows what the last one found.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { mainDevice, sha256Hex, type Forecaster } from "../src/domain/index.ts";
import { armDifferences } from "../src/evaluate/study/arm-differences.ts";
import { calibrations, onAskedKernels, type JudgedArm } from "../src/evaluate/study/judged-arm.ts";
import { baselineKinds } from "../src/forecast/baseline/baseline-forecaster.ts";
import type { IsotonicRecipe } from "../src/forecast/calibrate/isotonic-recipe.ts";
import { loadForecasts } from "../src/formats/forecast-table.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { recordedDeviceInfo } from "../src/measure/recorded-device-figures.ts";
import { openForecaster } from "../src/serve/open-forecaster.ts";
import { drawCurves } from "./rl/curves.ts";
import { judgeOnTest, recordedRun, variantsOf, type Variants } from "./rl/judge-runs.ts";
import { studyPage } from "./rl/page.ts";
import type { FoundArm } from "./rl/run-tables.ts";
import { commonTasks, recalibratedPools, searchWith, type NamedSearches, type PoolForecasts } from "./rl/searches.ts";
import { readRun, readStudy, type FinishedRun } from "./rl/study.ts";
import { scoreArms } from "./rl/tables.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "docs/results/rl" },
    recording: { type: "string", default: "atlas" },
    beside: { type: "string", default: "static,auto,embedded" },
    frontier: { type: "string", default: "atlas/forecasts/claude/forecasts.jsonl" },
    "frontier-pools": { type: "string", default: "atlas/forecasts/claude-pools/forecasts.jsonl" },
    "per-task": { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    search: { type: "boolean", default: false },
    "search-seeds": { type: "string", default: "20" },
    measurements: { type: "string", default: "32" },
    workspace: { type: "string", default: ".kernelcast" },
    out: { type: "string", default: "docs/results/rl" },
  },
});

/** Whatever the workspace: arms, and so what is drawn for their intervals, are named by their files. */
const recalibratedFolder = ".kernelcast/rl";

const [perTask, seed] = [Number(values["per-task"]), Number(values.seed)];
const recording = await loadRecording(values.recording);
const study = await readStudy(values.runs);
const { title, view, summary } = study;
const device = recordedDeviceInfo(recording, mainDevice(recording) ?? "");
const setting = { recording, device, perTask, seed, view };
const arms: FoundArm[] = [];
for (const arm of study.arms) {
  const found = await Promise.all(arm.runs.map((run) => readRun(values.runs, run)));
  arms.push({ ...arm, found: found.filter((run) => run !== undefined) });
}
const present = arms.filter(({ found }) => found.length > 0);
const folders = present.flatMap(({ found }) => found.map(({ folder }) => folder));
const names = present.flatMap(({ found }) => found.map(({ name }) => name));
const missing = arms.flatMap(({ runs }) => runs.filter((run) => !names.includes(run)));
if (missing.length > 0) console.error(`not there, left out: ${missing.join(", ")}`);

if (present.length === 0) throw new Error(`${values.runs}: none of the runs that study.json names is there`);

const recipes = new Map<string, Variants>();
const judged: JudgedArm[] = [];
for (const arm of present) judged.push(...(await judgeArm(arm)));
const asked = onAskedKernels(judged, await judgeBeside());
const scored = scoreArms(asked, seed);
const differences = armDifferences(asked, study.differences, seed);
const curves = drawCurves(present);
const searches = values.search ? await runSearches() : await earlierSearches();
await mkdir(values.out, { recursive: true });
for (const { name, svg } of curves) await writeFile(join(values.out, name), svg);
if (searches) await writeFile(searchesFile(), `${JSON.stringify(searches, null, 1)}\n`);
await writeFile(`${values.out}.json`, `${JSON.stringify(resultDocument(), rounded, 1)}\n`);
const isotonicOk = present.filter(({ found }) => found.some(isIsotonicOk)).map(({ label }) => label);
const evaluateCommand = [
  `npx kernelcast evaluate --recording ${values.recording} --split test --view ${view} --per-task ${perTask} --seed ${seed} --answered any \\`,
  `  $(for run in ${folders.join(" ")}; do ls $run/forecasts-test.* | sed 's/^/--forecaster recorded:/'; done)`,
].join("\n");
const about = {
  title,
  command: command(),
  folder: basename(values.out),
  view,
  summary,
  arms: present,
  missing,
  scored,
  judged: asked,
  isotonicOk,
  perTask,
  seed,
  differences,
};
await writeFile(`${values.out}.md`, studyPage({ ...about, curves, searches, evaluateCommand }));
console.error(`wrote ${values.out}.md, ${values.out}.json, ${curves.length} curves`);

/** The arm's runs in every way; in a way that one of them lacks the arm is not judged. */
async function judgeArm({ label, found }: FoundArm): Promise<JudgedArm[]> {
  const variants: Variants[] = [];
  for (const run of found) {
    console.error(`judging ${run.name}`);
    variants.push(await runVariants(run));
  }
  return judgeVariants(label, variants);
}

async function runVariants({ name, forecasts }: FinishedRun): Promise<Variants> {
  const [validation = [], test = []] = [forecasts.get("validation"), forecasts.get("test")];
  const all = [...validation, ...test];
  const made = await variantsOf(recordedRun(name, all), sha256Hex(JSON.stringify(all)), setting);
  recipes.set(name, made);
  return made;
}

async function judgeVariants(label: string, variants: readonly Variants[]): Promise<JudgedArm[]> {
  const judgedArms: JudgedArm[] = [];
  for (const as of calibrations) {
    const forecasters = variants.flatMap(({ forecasters: made }) => made.get(as) ?? []);
    if (forecasters.length < variants.length) continue;
    const runs = [];
    for (const forecaster of forecasters) runs.push(await judgeOnTest(forecaster, setting));
    judgedArms.push({ label, as, runs });
  }
  return judgedArms;
}

/** The frontier model's forecasts, which were made at the start of a search. */
async function judgeFrontier(): Promise<JudgedArm[]> {
  if (view !== "start") return [];
  const forecasts = await loadForecasts(values.frontier);
  const name = forecasts[0]?.forecaster ?? "frontier";
  const sha256 = sha256Hex(await readFile(values.frontier, "utf8"));
  return judgeVariants(name, [await variantsOf(recordedRun(name, forecasts), sha256, setting)]);
}

/** The frontier model's forecasts and the baselines in every way, and what ships as it is. */
async function judgeBeside(): Promise<JudgedArm[]> {
  const others = await judgeFrontier();
  for (const label of values.beside.split(",").filter((one) => one !== "")) {
    console.error(`judging ${label}`);
    const forecaster: Forecaster = await openForecaster(label);
    others.push({ label, as: "raw", runs: [await judgeOnTest(forecaster, setting)] });
    await forecaster.close?.();
  }
  // Calibrated, too: what calibration knows where there is no model.
  for (const label of baselineKinds.map((kind) => `baseline:${kind}`)) {
    const made = await variantsOf(await openForecaster(label), sha256Hex(label), setting);
    others.push(...(await judgeVariants(label, [made])));
  }
  return others;
}

function isIsotonicOk({ name }: FinishedRun): boolean {
  return recipes.get(name)?.recipe?.members.some(({ recipe }) => recipe.ok.kind === "isotonic") ?? false;
}

/** The first run with whole pools of each arm that is to search, and the frontier model's. */
async function runSearches(): Promise<NamedSearches | undefined> {
  const pools: PoolForecasts[] = [];
  for (const { label, found } of present.filter((arm) => study.searches.includes(arm.label))) {
    const run = found.find(({ poolsFile }) => poolsFile !== undefined);
    const forecasts = run?.forecasts.get("pools");
    if (!run?.poolsFile || !forecasts || forecasts.length === 0) continue;
    const own: PoolForecasts = { label, file: run.poolsFile, forecasts };
    pools.push(own, ...(await recalibrated(own, recipes.get(run.name)?.isotonic)));
  }
  if (pools.length === 0) return undefined;
  const file = values["frontier-pools"];
  const frontier = await loadForecasts(file);
  const all = [...pools, { label: frontier[0]?.forecaster ?? "frontier", file, forecasts: frontier }];
  const { recording: path, workspace } = values;
  const options = { seeds: Number(values["search-seeds"]), measurements: Number(values.measurements) };
  return searchWith(all, commonTasks(recording, all), { recording: path, workspace, ...options });
}

async function recalibrated(pools: PoolForecasts, recipe: IsotonicRecipe | undefined): Promise<PoolForecasts[]> {
  return recipe ? [await recalibratedPools(pools, recipe, recalibratedFolder)] : [];
}

function searchesFile(): string {
  return join(values.out, "searches.json");
}

async function earlierSearches(): Promise<NamedSearches | undefined> {
  try {
    return JSON.parse(await readFile(searchesFile(), "utf8")) as NamedSearches;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
}

function resultDocument(): object {
  const runs = present.flatMap(({ label, found }) =>
    found.map(({ name, log }) => {
      const { steps, judgements, ...rest } = log;
      const { recipe, isotonic } = recipes.get(name) ?? {};
      return { arm: label, run: name, steps: steps.length, judgements, ...rest, recipe, isotonic };
    }),
  );
  return { command: command(), missing, runs, arms: scored, differences };
}

/** More digits would only make files differ between machines. */
function rounded(_name: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(5)) : value;
}

function command(): string {
  const { runs, recording: path, beside, search } = values;
  return `npm run results:rl -- --runs ${runs} --recording ${path} --beside ${beside} --per-task ${perTask} --seed ${seed}${search ? " --search" : ""}`;
}
