import { recordedRuntimeUs, type Confirmation, type RecordedMeasurement, type Runtime } from "../domain/index.ts";

/** Half-widths below this (in log2) would claim more than a recording's clock resolves. */
const smallestHalfWidth = 0.0005;

/** The ratio that a confirmation would have found, from both measurements' passes. Both must be ok. */
export function recordedConfirmation(measurement: RecordedMeasurement, anchor: RecordedMeasurement): Confirmation {
  const anchorId = anchor.kernelId;
  const logRatio = Math.log2(truth(measurement) / truth(anchor));
  const spread = anchorId === measurement.kernelId ? 0 : Math.sqrt(variance(measurement) + variance(anchor));
  const half = Math.max(smallestHalfWidth, 1.96 * spread);
  const blocks = Math.min(passes(measurement).length, passes(anchor).length);
  return { anchorId, logRatio, low: logRatio - half, high: logRatio + half, blocks };
}

/** Both passes as one runtime: the recorded truth as its median, all samples, percentiles scaled to it. */
export function bothPasses(measurement: RecordedMeasurement): Runtime | undefined {
  const { runtime: first, runtimePass2: second } = measurement;
  if (!first || !second) return first;
  const scaled = (pick: (pass: Runtime) => number): number => Math.sqrt(pick(first) * pick(second));
  return {
    medianUs: scaled(({ medianUs }) => medianUs),
    p10Us: scaled(({ p10Us }) => p10Us),
    p90Us: scaled(({ p90Us }) => p90Us),
    n: first.n + second.n,
    samplesUs: [...first.samplesUs, ...second.samplesUs],
  };
}

function truth(measurement: RecordedMeasurement): number {
  return recordedRuntimeUs(measurement) ?? Number.NaN;
}

function passes({ runtime, runtimePass2 }: RecordedMeasurement): Runtime[] {
  return [runtime, runtimePass2].filter((pass) => pass !== undefined);
}

/** Variance of the truth in log2: what the passes' disagreement says, or their samples where those say more. */
function variance(measurement: RecordedMeasurement): number {
  const all = passes(measurement);
  const within = all.reduce((sum, pass) => sum + medianVariance(pass), 0) / all.length ** 2;
  const [first, second] = all;
  const between = first && second ? Math.log2(first.medianUs / second.medianUs) ** 2 / 4 : 0;
  return Math.max(within, between);
}

/** Percentiles that differ come from some ten samples at least, also where a recording does not say how many. */
const fewestForPercentiles = 10;

/** Of a median of n samples: π/2 · σ²/n, with σ from the 10 % and 90 % points of a normal distribution. */
function medianVariance({ p10Us, p90Us, n }: Runtime): number {
  const sigma = Math.log2(p90Us / p10Us) / 2.5631;
  return ((Math.PI / 2) * sigma ** 2) / Math.max(p90Us > p10Us ? fewestForPercentiles : 1, n);
}
