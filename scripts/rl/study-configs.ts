/**
 * `npx tsx scripts/rl/study-configs.ts [--out training-runs/configs]`: writes the configuration of every run of the studies, and of its judgements:
 * NAME.json to train, NAME-test.json and NAME-validation.json for `kernelcast train eval`, NAME-pools.json for whole pools of test tasks, NAME-samples.json
 * for the mixture of sixteen answers; rl-crps-export-rank5.json to export the example's adapter once more, cut.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { doublingsStudyRuns, searchStudyRuns, studyRuns, type StudyRun } from "./study-runs.ts";

type Settings = Readonly<Record<string, unknown>>;

const { values } = parseArgs({ options: { out: { type: "string", default: "training-runs/configs" } } });
mkdirSync(values.out, { recursive: true });
for (const run of studyRuns) writeRun(run, { written: "eval-lists", bins: "eval-bins", pools: "pools-lists" });
write("rl-crps-export-rank5", { ...configNamed("rl-crps"), export: { adapter: true, adapter_gguf: true, rank: 5 } });
// What is forecast within a search depends on what was measured, so that there are no whole pools.
for (const run of searchStudyRuns) writeRun(run, { written: "eval-search-lists", bins: "eval-search-bins" });
for (const run of doublingsStudyRuns) {
  writeRun(run, { written: "eval-doublings", bins: "eval-bins", pools: "pools-doublings" });
}

/** Folders of the data that runs are judged by, of written forecasts and of bins. */
interface JudgedBy {
  readonly written: string;
  readonly bins: string;
  readonly pools?: string;
}

function writeRun(run: StudyRun, { written, bins, pools }: JudgedBy): void {
  const config = configOf(run);
  const isBins = run.example === "proper-crps";
  const judged = `../../training-data/${isBins ? bins : written}`;
  if (pools && !isBins) {
    const name = `${run.name}-pools`;
    write(name, { ...judging(withOwn(run), `../../training-data/${pools}`, "test"), out: folder(name) });
  }
  if (run.command !== "none") write(run.name, config);
  for (const split of ["validation", "test"]) {
    write(`${run.name}-${split}`, judging(config, judged, split));
    if (isBins) continue;
    const name = `${run.name}-samples`;
    const sampled = judging(withOwn(run), judged, split, { samples: 16, batch: 512 });
    write(`${name}-${split}`, { ...sampled, name, out: folder(name) });
  }
}

function configNamed(name: string): Settings {
  const run = studyRuns.find((one) => one.name === name);
  if (!run) throw new Error(`no run is called ${name}`);
  return configOf(run);
}

/** The model of a run, to be judged into a folder other than the run's. */
function withOwn(run: StudyRun): Settings {
  const config = configOf(run);
  const chain = run.command === "none" ? [] : [...run.from, run.name].map(folder);
  return { ...config, model: { ...part(config, "model"), adapters: chain } };
}

function configOf({ name, example, seed, from, changes }: StudyRun): Settings {
  const base = parse(
    readFileSync(new URL(`../../examples/train/${example}.yaml`, import.meta.url), "utf8"),
  ) as Settings;
  const { rl, model, ...others } = changes;
  // The study judges adapters; what is exported of one says so itself.
  const { export: _exported, ...kept } = base;
  return {
    ...kept,
    name,
    out: folder(name),
    seed,
    model: { ...part(base, "model"), ...(model as Settings | undefined), adapters: from.map(folder) },
    ...others,
    ...(rl ? { rl: { ...part(base, "rl"), ...(rl as Settings) } } : {}),
  };
}

/** Every prompt is judged, however long, on one GPU. */
function judging(config: Settings, data: string, split: string, more: Settings = {}): Settings {
  const isBins = data.endsWith("bins");
  const { processes: _processes, ...alone } = config;
  return {
    ...alone,
    data,
    model: { ...part(config, "model"), max_prompt_tokens: 32_000 },
    judge: { split, batch: isBins ? 8 : 64, max_new_tokens: 128, ...more },
  };
}

function part(config: Settings, name: string): Settings {
  return (config[name] ?? {}) as Settings;
}

function folder(run: string): string {
  return `../../training-runs/${run}`;
}

function write(name: string, config: Settings): void {
  writeFileSync(join(values.out, `${name}.json`), `${JSON.stringify(config, null, 1)}\n`);
}
