import { worthText } from "../decide/worth.ts";
import type { CallSummary } from "../search/summary.ts";
import type { SearchResult } from "../serve/search-task.ts";
import { countsText } from "./forecast-recording-result.ts";

/** The lines that a person reads when a search has ended. */
export function formatResult(result: SearchResult): readonly string[] {
  const { best, seed_kernel: seed, spent } = result;
  const seedUs = seed.runtime_us ?? Number.NaN;
  const headline =
    best && best.kernel_id !== seed.kernel_id
      ? `best kernel ${best.kernel_id}: ${best.runtime_us} µs, ${best.speedup.toFixed(2)}x the seed's speed (seed ${seedUs} µs)${best.confirmed ? ", confirmed" : ""}`
      : `no kernel faster than the seed was found (seed ${seedUs} µs)`;
  return [
    headline,
    `considered ${result.considered}, measured ${result.measured}${result.audited > 0 ? ` (${result.audited} of them audits)` : ""}, skipped ${result.skipped}, duplicates ${result.duplicates}, failed ${result.failed}`,
    ...(result.proposal_failures
      ? [
          `${result.proposal_failures.count} proposals came to nothing (${countsText(result.proposal_failures.by_kind)}), the last: ${result.proposal_failures.last}`,
        ]
      : []),
    ...(result.forecast_failures ? [`without a forecast: ${countsText(result.forecast_failures)}`] : []),
    ...(result.answer_faults ? [`answers at fault: ${countsText(result.answer_faults)}`] : []),
    ...(result.language_models ?? []).map(callsLine),
    ...(result.trust ? [trustLine(result.trust)] : []),
    ...(result.worth ? [`worth it? ${worthText(result.worth)}`] : []),
    spentLine(spent),
    `report ${result.report}`,
  ];
}

function spentLine({ gpu_seconds: gpu, cpu_seconds: cpu, tokens, usd }: SearchResult["spent"]): string {
  return `spent ${gpu} GPU-s, ${cpu} CPU-s${tokens > 0 ? `, ${tokens} tokens` : ""}${usd > 0 ? `, ${usd} USD` : ""}`;
}

const trustMeanings = {
  shadow: "everything is measured",
  canary: "half of what is left out is measured",
  live: "it decides, with few audits",
} as const;

function trustLine({ asked, started, ended, labels }: NonNullable<SearchResult["trust"]>): string {
  const level = asked === "auto" ? ended : asked;
  const way = started === ended ? ended : `${started}, now ${ended}`;
  const pinned = asked === "auto" ? "" : `; this search was asked to be ${asked}`;
  return `trust: the forecaster is in ${way}${pinned} (${trustMeanings[level]}); ${labels} sealed forecasts were tested; kernelcast trust explain`;
}

function callsLine(calls: CallSummary): string {
  const tokens = calls.input_tokens + calls.output_tokens;
  const parts = [
    `${calls.calls} calls to ${calls.purpose}`,
    ...(calls.kept > 0 ? [`${calls.kept} of them kept answers`] : []),
    ...(calls.failed > 0 ? [`${calls.failed} failed (${countsText(calls.faults)})`] : []),
    `${tokens} tokens`,
    calls.usd === null ? "price not known" : `${calls.usd} USD`,
    `${calls.latency_seconds.mean} s a call`,
  ];
  return `${calls.model}: ${parts.join(", ")}`;
}
