/** The runs of the study of reinforcement learning, as their folder holds them. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { RecordedForecast } from "../../src/domain/index.ts";
import { wantedSigns } from "../../src/evaluate/study/arm-differences.ts";
import { views } from "../../src/evaluate/plan-view.ts";
import { calibrations } from "../../src/evaluate/study/judged-arm.ts";
import { comparedScores } from "../../src/evaluate/paired-differences.ts";
import { readForecasts } from "../../src/formats/forecast-table.ts";
import { readRunLog, type RunLog } from "../../src/train/language-model/run-log.ts";

const name = z.string().min(1);

const side = z.strictObject({ arm: name, as: z.enum(calibrations) });

const claim = z.strictObject({ score: z.enum(comparedScores), wanted: z.enum(wantedSigns) });

const studySchema = z.strictObject({
  title: name,
  /** What is known when kernels are forecast. */
  view: z.enum(views).default("start"),
  /** What the study came to, in a paragraph, by whoever read its tables. */
  summary: name.optional(),
  arms: z.array(
    z.strictObject({
      label: name,
      /** What was done: decides which curves it is drawn in. */
      kind: z.enum(["untrained", "supervised", "proper", "samples", "rl"]),
      /** Folders, from the study's own; of one arm they differ by seed alone. */
      runs: z.array(name).min(1),
      /** Label of the arm whose model training went on from. */
      from: name.optional(),
      /** What the reader should know, a sentence. */
      note: name.optional(),
    }),
  ),
  /** Differences `of` less `from`, and what each is to show. */
  differences: z.array(z.strictObject({ what: name, of: side, from: side, claims: z.array(claim).default([]) })),
  /** Arms that search, by their first run with forecasts of whole pools. */
  searches: z.array(name),
});

export type Study = z.infer<typeof studySchema>;
export type StudyArm = Study["arms"][number];

/** What a run of the trainer left behind. */
export interface FinishedRun {
  readonly name: string;
  readonly folder: string;
  readonly log: RunLog;
  readonly config: RunConfig;
  /** By what they are of: `validation`, `test`, `pools`. */
  readonly forecasts: ReadonlyMap<string, readonly RecordedForecast[]>;
  /** Where those of whole pools are, as `recorded:` takes it. */
  readonly poolsFile: string | undefined;
}

const configSchema = z.looseObject({
  model: z.looseObject({ base: z.string() }).optional(),
  prompts_per_step: z.number().optional(),
  families: z.looseObject({ folds: z.number().default(1), take: z.array(z.number()).default([0]) }).optional(),
  learning_rate: z.number().optional(),
  sft: z.looseObject({ loss: z.string().optional() }).optional(),
  rl: z
    .looseObject({
      reward: z.string().optional(),
      credit: z.string().optional(),
      group: z.number().optional(),
      kl: z.number().optional(),
    })
    .optional(),
});

export type RunConfig = z.infer<typeof configSchema>;

export async function readStudy(folder: string): Promise<Study> {
  const study = studySchema.parse(JSON.parse(await readFile(join(folder, "study.json"), "utf8")));
  const labels = new Set(study.arms.map(({ label }) => label));
  const named = [
    ...study.arms.flatMap(({ from }) => from ?? []),
    ...study.differences.flatMap(({ of, from }) => [of.arm, from.arm]),
    ...study.searches,
  ];
  const unknown = named.find((label) => !labels.has(label));
  if (unknown !== undefined) throw new Error(`study.json: no arm is called "${unknown}"`);
  return study;
}

/** Undefined where the folder is not there, or holds no forecasts of split test. */
export async function readRun(runs: string, run: string): Promise<FinishedRun | undefined> {
  const folder = join(runs, run);
  const files = {
    validation: await forecastsFile(folder, "validation"),
    test: await forecastsFile(folder, "test"),
    // The trainer writes whole pools, which are of tasks of split test, under that name into a folder of their own.
    pools: (await forecastsFile(folder, "pools")) ?? (await forecastsFile(`${folder}-pools`, "test")),
  };
  if (!files.test) return undefined;
  const forecasts = new Map<string, readonly RecordedForecast[]>();
  for (const [part, file] of Object.entries(files)) if (file) forecasts.set(part, await readForecasts([file]));
  return {
    name: run,
    folder,
    log: readRunLog(await readText(join(folder, "events.jsonl"), "")),
    config: configSchema.parse(JSON.parse(await readText(join(folder, "config.json"), "{}"))),
    forecasts,
    poolsFile: files.pools,
  };
}

async function forecastsFile(folder: string, part: string): Promise<string | undefined> {
  const entries = await readdir(folder).catch((): string[] => []);
  const found = entries.find((entry) => /^forecasts-(\w+)\.(jsonl|jsonl\.gz|parquet)$/.exec(entry)?.[1] === part);
  return found && join(folder, found);
}

async function readText(path: string, otherwise: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return otherwise;
    throw cause;
  }
}
