import { defaultTrustSettings } from "../../decide/trust/settings.ts";
import { freshRecord } from "../../decide/trust/trust-record.ts";
import { TrustTracker } from "../../decide/trust/trust-tracker.ts";
import { keyedShuffle, keyedUniform, type TrustLabel, type TrustLevel } from "../../domain/index.ts";
import { chooseTasks, type SplitChoice } from "../../evaluate/choose-tasks.ts";
import { openBenchTask, taskFacts } from "../../evaluate/searches/bench-task.ts";
import { FactsCache } from "../../forecast/static/facts-cache.ts";
import { loadBenchRecording } from "../bench/load-bench-recording.ts";
import { openForecaster } from "../open-forecaster.ts";
import { sabotagedForecaster } from "../../testing/sabotaged-forecaster.ts";
import { shadowLabels } from "./shadow-labels.ts";
import { surrogateRecipe } from "./surrogate-recipe.ts";

export interface RecordingStudy {
  readonly recording: string;
  readonly forecaster: string;
  readonly split?: SplitChoice;
  readonly signal?: AbortSignal;
}

/** What became of a surrogate whose forecasts were sealed on recorded searches. */
export interface RecordedTrust {
  readonly surrogate: string;
  readonly labels: number;
  readonly wins: number;
  readonly missed: number;
  readonly spared: number;
  /** Labels until then; null where it never was. */
  readonly canary_after: number | null;
  readonly live_after: number | null;
  readonly demoted_after: number | null;
  readonly level: TrustLevel;
}

/** Measurements of each recorded search. */
const measurements = 96;

/** A forecaster on recorded searches in shadow, and what it would be with other decisions or broken forecasts. */
export async function trustOnRecording(study: RecordingStudy): Promise<readonly RecordedTrust[]> {
  const sound = await labelsOn(study, undefined);
  const half = Math.floor(sound.length / 2);
  const broken = await labelsOn(study, 0);
  const drifting = [...sound.slice(0, half), ...broken.slice(half)];
  const decide = (skip: (label: TrustLabel) => boolean) => sound.map((label) => ({ ...label, skip: skip(label) }));
  return [
    judge(study.forecaster, sound),
    judge(
      "the same, skipping everything",
      decide(() => true),
    ),
    judge(
      "the same, skipping 60 % at random",
      decide(({ kernelId }) => keyedUniform(1, "random-skip", kernelId) < 0.6),
    ),
    judge(
      "the same, skipping what wins",
      decide(({ win }) => win),
    ),
    judge("the same, forecasts permuted from the start", broken),
    judge("the same, forecasts permuted from the middle on", drifting),
    judge("the same, runs in another order", shuffledRuns(sound)),
  ];
}

async function labelsOn({ recording, forecaster, split, signal }: RecordingStudy, brokenFrom: number | undefined) {
  const loaded = await loadBenchRecording(recording, undefined, undefined);
  const { taskIds } = chooseTasks(loaded.recording, split ?? "test");
  const opened = await openForecaster(forecaster, { facts: new FactsCache() });
  const labels: TrustLabel[] = [];
  try {
    for (const taskId of taskIds) {
      signal?.throwIfAborted();
      if (!taskFacts(loaded.recording, loaded.device, taskId)) continue;
      const task = openBenchTask(loaded.recording, loaded.device, taskId);
      const asked = brokenFrom === undefined ? opened : sabotagedForecaster(opened, { fromBatch: brokenFrom });
      const key = { surrogate: forecaster, recipe: surrogateRecipe(forecaster), device: loaded.device };
      labels.push(
        ...(await shadowLabels(task, { key, forecaster: asked, measurements, seed: 1, ...(signal ? { signal } : {}) })),
      );
    }
  } finally {
    await opened.close?.();
  }
  return labels;
}

function shuffledRuns(labels: readonly TrustLabel[]): readonly TrustLabel[] {
  const tasks = [...new Set(labels.map(({ taskId }) => taskId))];
  return keyedShuffle(tasks, 1, "runs").flatMap((taskId) => labels.filter((label) => label.taskId === taskId));
}

/**
 * Follows labels of which all are known. In canary half of the would-be skips are seen and in live one in seventy, as the searches'
 * audits would.
 */
function judge(surrogate: string, labels: readonly TrustLabel[]): RecordedTrust {
  const tracker = new TrustTracker(freshRecord(defaultTrustSettings), defaultTrustSettings);
  const audits = { shadow: 1, canary: defaultTrustSettings.canaryAudit, live: 0.014 } as const;
  const after: Record<TrustLevel, number | null> = { shadow: null, canary: null, live: null };
  labels.forEach((label, place) => {
    const { level } = tracker.record;
    const probability = label.skip ? audits[level] : 1;
    if (keyedUniform(1, "audit", label.seal) >= probability) return;
    for (const change of tracker.see({ ...label, level, probability })) {
      if (change.kind === "level") after[change.to] ??= place + 1;
    }
  });
  const wins = labels.filter(({ win }) => win);
  return {
    surrogate,
    labels: labels.length,
    wins: wins.length,
    missed: wins.filter(({ skip }) => skip).length,
    spared: labels.filter(({ skip }) => skip).length,
    canary_after: after.canary,
    live_after: after.live,
    demoted_after: after.shadow,
    level: tracker.record.level,
  };
}
