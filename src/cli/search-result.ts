import type { SearchResult } from "../serve/search-task.ts";

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
    `considered ${result.considered}, measured ${result.measured}, skipped ${result.skipped}, duplicates ${result.duplicates}, failed ${result.failed}`,
    ...(result.proposal_failures
      ? [`${result.proposal_failures.count} proposals came to nothing, the last: ${result.proposal_failures.last}`]
      : []),
    `spent ${spent.gpu_seconds} GPU-s, ${spent.cpu_seconds} CPU-s${spent.usd > 0 ? `, ${spent.usd} USD` : ""}`,
    `report ${result.report}`,
  ];
}
