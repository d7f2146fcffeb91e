import {
  overPasses,
  recordedPasses,
  recordedRuntimeUs,
  type Confirmation,
  type RecordedMeasurement,
  type Runtime,
} from "../domain/index.ts";

/** Half-widths below this (in log2) would claim more than a recording's clock resolves. */
const smallestHalfWidth = 0.0005;

/** The ratio that a confirmation would have found, from the two measurements' passes. Both must be ok. */
export function recordedConfirmation(measurement: RecordedMeasurement, anchor: RecordedMeasurement): Confirmation {
  const anchorId = anchor.kernelId;
  const logRatio = Math.log2(truth(measurement) / truth(anchor));
  const spread = anchorId === measurement.kernelId ? 0 : Math.sqrt(variance(measurement) + variance(anchor));
  const half = Math.max(smallestHalfWidth, 1.96 * spread);
  const blocks = Math.min(recordedPasses(measurement).length, recordedPasses(anchor).length);
  return { anchorId, logRatio, low: logRatio - half, high: logRatio + half, blocks };
}

/** All passes as one runtime: the recorded truth as its median, percentiles taken together as it is, all samples. */
export function allPasses(measurement: RecordedMeasurement): Runtime | undefined {
  const passes = recordedPasses(measurement);
  if (passes.length < 2) return passes[0];
  return {
    medianUs: overPasses(passes.map(({ medianUs }) => medianUs)),
    p10Us: overPasses(passes.map(({ p10Us }) => p10Us)),
    p90Us: overPasses(passes.map(({ p90Us }) => p90Us)),
    n: passes.reduce((sum, { n }) => sum + n, 0),
    samplesUs: passes.flatMap(({ samplesUs }) => samplesUs),
  };
}

function truth(measurement: RecordedMeasurement): number {
  return recordedRuntimeUs(measurement) ?? Number.NaN;
}

/** Variance of the middle of three draws of a normal distribution, as a share of theirs. */
const varianceOfMiddle = 0.4487;

/** Variance of the truth in log2: what the passes' disagreement says, or their samples where those say more. */
function variance(measurement: RecordedMeasurement): number {
  const all = recordedPasses(measurement);
  const efficiency = all.length === 3 ? varianceOfMiddle : 1 / all.length;
  const within = (efficiency * all.reduce((sum, pass) => sum + medianVariance(pass), 0)) / all.length;
  return Math.max(within, efficiency * sampleVariance(all.map(({ medianUs }) => Math.log2(medianUs))));
}

function sampleVariance(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}

/** Percentiles that differ come from some ten samples at least, also where a recording does not say how many. */
const fewestForPercentiles = 10;

/** Of a median of n samples: π/2 · σ²/n, with σ from the 10 % and 90 % points of a normal distribution. */
function medianVariance({ p10Us, p90Us, n }: Runtime): number {
  const sigma = Math.log2(p90Us / p10Us) / 2.5631;
  return ((Math.PI / 2) * sigma ** 2) / Math.max(p90Us > p10Us ? fewestForPercentiles : 1, n);
}
