import type { BatchOutcome } from "../serve/forecast/batch.ts";
import type { ForecastRecordingResult } from "../serve/forecast/forecast-recording.ts";

/** The JSON document of `kernelcast forecast --recording`. */
export function recordingDocument(result: ForecastRecordingResult): object {
  const { recording, device, split, forecaster, tasks, asked, forecasts, cost, faults } = result;
  return {
    recording,
    device,
    split,
    forecaster,
    tasks,
    asked,
    forecast: forecasts.length,
    not_forecast: failureCounts(result),
    answer_faults: faults,
    cost: { cpu_seconds: Number(cost.cpuSeconds.toPrecision(5)), tokens: cost.tokens, usd: cost.usd },
    ...(result.batch ? { batch: batchDocument(result.batch) } : {}),
  };
}

export function batchDocument({ prompts, answered, pending, out, notes }: BatchOutcome): object {
  return { prompts, answered, pending, out: out ?? null, notes };
}

/** The lines that a person reads. */
export function recordingLines(result: ForecastRecordingResult): string[] {
  const { recording, device, split, forecaster, tasks, asked, forecasts, cost } = result;
  const counts = countsText(failureCounts(result));
  const faults = countsText(result.faults);
  return [
    `${recording}, split ${split}, ${tasks} ${tasks === 1 ? "task" : "tasks"}, for ${device}: ${forecaster} forecast ${forecasts.length} of ${asked} kernels`,
    ...(counts === "" ? [] : [`not forecast: ${counts}`]),
    ...(faults === "" ? [] : [`answers at fault: ${faults}`]),
    `cost: ${cost.tokens} tokens, ${cost.usd} USD; these are forecasts, not measurements`,
  ];
}

/** One line of what became of a batch. */
export function batchLine({ prompts, answered, pending, out }: BatchOutcome): string {
  const written = out === undefined ? "" : `; those without an answer, ${pending}, are in ${out}`;
  return `batch: ${prompts} ${prompts === 1 ? "prompt" : "prompts"}, ${answered} answered${written}`;
}

function failureCounts({ failures }: ForecastRecordingResult): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { fault } of failures) counts[fault] = (counts[fault] ?? 0) + 1;
  return counts;
}

/** Counts of kinds, as a person reads them. */
export function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([kind, count]) => `${kind} ${count}`)
    .join(", ");
}
