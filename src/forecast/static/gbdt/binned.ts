/** Features cut into at most 63 bins each, by column; code 0 is a missing value (NaN). */
export interface BinnedFeatures {
  readonly rows: number;
  readonly codes: readonly Uint8Array[];
  /** Ascending upper edges: a value with code c > 0 is ≤ edges[c − 1], the last bin has none. */
  readonly edges: readonly (readonly number[])[];
}

const mostBins = 63;

/** Cuts the columns of a row-major table at quantiles of their distinct values. */
export function binFeatures(rows: readonly ArrayLike<number>[], features: number): BinnedFeatures {
  const codes: Uint8Array[] = [];
  const edges: number[][] = [];
  for (let feature = 0; feature < features; feature++) {
    const column = Float64Array.from(rows, (row) => row[feature] as number);
    const cuts = chooseEdges(column);
    edges.push(cuts);
    codes.push(Uint8Array.from(column, (value) => encode(value, cuts)));
  }
  return { rows: rows.length, codes, edges };
}

function chooseEdges(column: Float64Array): number[] {
  const sorted = column.filter((value) => !Number.isNaN(value)).sort();
  const cuts: number[] = [];
  for (let bin = 1; bin < mostBins; bin++) {
    const at = Math.floor((bin * sorted.length) / mostBins);
    const low = sorted[at - 1];
    const high = nextAbove(sorted, at, low);
    if (low === undefined || high === undefined) continue;
    const cut = low + (high - low) / 2;
    if (cuts.length === 0 || cut > (cuts.at(-1) as number)) cuts.push(cut);
  }
  return cuts;
}

function nextAbove(sorted: Float64Array, start: number, low: number | undefined): number | undefined {
  let at = start;
  while (at < sorted.length && sorted[at] === low) at++;
  return sorted[at];
}

function encode(value: number, cuts: readonly number[]): number {
  if (Number.isNaN(value)) return 0;
  let [low, high] = [0, cuts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= (cuts[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low + 1;
}
