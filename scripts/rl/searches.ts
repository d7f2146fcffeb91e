/** Searches that go by the study's forecasts of whole pools, beside others on the same tasks and seeds. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { RecordedForecast, Recording } from "../../src/domain/index.ts";
import { scoreSearches } from "../../src/evaluate/searches/score-searches.ts";
import { searchDocument } from "../../src/evaluate/searches/search-document.ts";
import { applyIsotonicRecipe, type IsotonicRecipe } from "../../src/forecast/calibrate/isotonic-recipe.ts";
import { saveForecasts } from "../../src/formats/forecast-table.ts";
import { benchSearch } from "../../src/serve/bench/bench-search.ts";
import { armsTable, oracleNote, type SearchesDocument } from "../searches/recorded-arms.ts";

/** Forecasts of whole pools that searches go by. */
export interface PoolForecasts {
  /** The arm, in words. */
  readonly label: string;
  readonly file: string;
  readonly forecasts: readonly RecordedForecast[];
}

export interface NamedSearches {
  readonly document: SearchesDocument;
  /** What the bench's arms are in words. */
  readonly names: Readonly<Record<string, string>>;
}

export interface SearchOptions {
  readonly recording: string;
  readonly seeds: number;
  readonly measurements: number;
  readonly workspace: string;
}

const besides = ["measure-all", "static", "ours", "oracle"] as const;

/** Runs them; finished ones are kept in the workspace. Each arm searches with its forecasts as they are, and while it learns from the run. */
export async function searchWith(
  pools: readonly PoolForecasts[],
  tasks: readonly string[],
  { recording, seeds, measurements, workspace }: SearchOptions,
): Promise<NamedSearches> {
  const names = Object.fromEntries(
    pools.flatMap(({ label, file }) => [
      [`recorded:${file}`, label],
      [`gate:adapt:recorded:${file}`, `${label}, learning`],
    ]),
  );
  const arms = [...besides.slice(0, -1), ...Object.keys(names)];
  const { results, setting } = await benchSearch({ recording, tasks, arms, seeds, measurements, workspace });
  const document = searchDocument(results, scoreSearches(results, 1), [], setting) as unknown as SearchesDocument;
  return { document, names };
}

/** The tasks whose kernels all of some forecasts are of, in the recording's order. */
export function commonTasks(recording: Recording, pools: readonly Pick<PoolForecasts, "forecasts">[]): string[] {
  const forecast = pools.map(({ forecasts }) => new Set(forecasts.map((one) => one.forecast.kernelId)));
  return [...recording.tasks.keys()].filter((taskId) => {
    const ids = recording.kernels(taskId).map(({ kernel }) => kernel.kernelId);
    return forecast.every((known) => ids.some((id) => known.has(id)));
  });
}

/** The same forecasts recalibrated, in a file of their own. */
export async function recalibratedPools(
  { label, file, forecasts }: PoolForecasts,
  recipe: IsotonicRecipe,
  folder: string,
): Promise<PoolForecasts> {
  const calibrated = forecasts.map((one) => ({
    ...one,
    forecast: { kernelId: one.forecast.kernelId, ...applyIsotonicRecipe(recipe, one.forecast) },
  }));
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${file.replaceAll(/\W+/g, "-")}-isotonic.jsonl.gz`);
  await saveForecasts(path, calibrated);
  return { label: `${label}, isotonic`, file: path, forecasts: calibrated };
}

export function searchesSection({ document, names }: NamedSearches): string[] {
  const { seeds, measurements, tasks, kernels, device, by_task: byTask } = document;
  return [
    `The policy of \`ours\` with the forecasts of one run of an arm for whole pools, made before anything but the seed kernel was measured; a run's with what the compiler said, the frontier model's without: ${tasks} tasks (${byTask.map(({ task }) => task).join(", ")}), ${kernels} kernels measured on ${device}; ${seeds} seeds, ${measurements} measurements; the same proposals in every arm. *Learning*: corrected by the run's own measurements besides (\`adapt\`), as \`ours\` is. A kernel without a forecast is taken for twice as slow as the best so far, give or take as much. Brackets: 95 % intervals of a bootstrap over tasks.`,
    armsTable(document, (arm) => names[arm] ?? `\`${arm}\``),
    oracleNote,
  ];
}
