import type { Forecaster, Recording } from "../../src/domain/index.ts";
import { onlyMeasuredByAll } from "../../src/evaluate/common-kernels.ts";
import { judgeForecaster } from "../../src/evaluate/judge-forecaster.ts";
import { withSources } from "../../src/evaluate/sources.ts";
import { constantPOk, constantPrior } from "../../src/forecast/baseline/baseline-forecaster.ts";
import { FactsCache } from "../../src/forecast/static/facts-cache.ts";
import { withSeedsFor } from "../../src/formats/choose-seed.ts";
import { recordedDeviceInfo } from "../../src/measure/recorded-device-figures.ts";
import { openForecaster } from "../../src/serve/open-forecaster.ts";
import { answerKey, type KeptFolder } from "./kept-folder.ts";
import type { Setting } from "./settings.ts";

export interface JudgeAllOptions {
  readonly recording: Recording;
  readonly forecasters: readonly string[];
  readonly taskIds: readonly string[];
  readonly settings: readonly Setting[];
  readonly seed: number;
  readonly kept: KeptFolder;
}

/**
 * Asks every forecaster for every task in every setting, but for what was kept. All that show sources alike go together, task by
 * task, and share what is read of a kernel: reading is most of the work.
 */
export async function judgeAll(options: JudgeAllOptions): Promise<void> {
  const forms = [...new Set(options.settings.map(({ sources }) => sources))];
  for (const form of forms) {
    const settings = options.settings.filter(({ sources }) => sources === form);
    const facts = new FactsCache();
    const opened = new Map<string, Forecaster>();
    const shown = new Map<string, Recording>();
    const open = async (label: string): Promise<Forecaster> => {
      const known = opened.get(label) ?? (await openForecaster(label, { facts }));
      opened.set(label, known);
      return known;
    };
    const show = (setting: Setting): Recording => {
      const key = JSON.stringify([setting.device, setting.measuredBy]);
      const known = shown.get(key) ?? recordingFor(options.recording, setting);
      shown.set(key, known);
      return known;
    };
    try {
      for (const [place, taskId] of options.taskIds.entries()) {
        const started = performance.now();
        const asked = await judgeTask(taskId, { ...options, settings }, open, show);
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        const what = asked === 0 ? "kept" : `${asked} answers in ${seconds} s`;
        console.error(`${form} ${taskId} (${place + 1} of ${options.taskIds.length}): ${what}`);
      }
    } finally {
      for (const forecaster of opened.values()) await forecaster.close?.();
    }
  }
}

function recordingFor(recording: Recording, { device, measuredBy, sources }: Setting): Recording {
  const chosen = measuredBy.length > 0 ? onlyMeasuredByAll(recording, measuredBy) : recording;
  return withSources(withSeedsFor(chosen, device), sources);
}

async function judgeTask(
  taskId: string,
  { forecasters, settings, seed, kept }: JudgeAllOptions,
  open: (label: string) => Promise<Forecaster>,
  show: (setting: Setting) => Recording,
): Promise<number> {
  let asked = 0;
  for (const setting of settings) {
    for (const label of forecasters) {
      const key = await answerKey(label, taskId, setting, seed);
      if (kept.has(key)) continue;
      const recording = show(setting);
      const answers = await judgeForecaster(await open(label), recording, {
        device: recordedDeviceInfo(recording, setting.device),
        taskId,
        prior: { ...constantPrior, pOk: constantPOk },
        view: setting.view,
        evidence: setting.evidence,
        seed,
      });
      await kept.put(key, taskId, answers);
      asked++;
    }
  }
  return asked;
}
