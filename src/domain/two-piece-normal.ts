import type { Forecast } from "./forecast.ts";
import { normalCdf, normalLogPdf, normalPdf, normalQuantile } from "./statistics/normal.ts";

/**
 * The runtime's distribution, given ok: over y = log2(runtime in µs), 98 % a two-piece normal and 2 % a broad normal.
 *
 * `m` is the **median** of both: half of the mass lies on either side. Each side is half of a normal of its own width, so
 * the distribution function is Φ((y − m) / σ₋) to the left and Φ((y − m) / σ₊) to the right. It is continuous, but where the
 * widths differ the density jumps at `m`, from φ(0)/σ₋ to φ(0)/σ₊. (The split normal of Gibbons and Mylroie has a
 * continuous density instead, and its join is the mode, not the median; a 10/50/90 answer maps to this one exactly.)
 */
export type RuntimeDistribution = Pick<Forecast, "m" | "sigmaLow" | "sigmaHigh">;

/** Weight of the broad component, which leaves no outcome without density. */
const broadWeight = 0.02;

/** Width of the broad component in log2 units: it covers 4-fold to 16-fold errors either way with ease. */
const broadSigma = 4;

/** Half-width of a central 80 % interval over the width of its normal, as DESIGN §4 rounds it. */
const sigmasTo90 = 1.2816;

/** Narrowest width that conversions produce (log2 units, about 0.07 %), so that densities stay finite. */
export const smallestSigma = 0.001;

const twoPieceWeight = 1 - broadWeight;

function sigmaAt(forecast: RuntimeDistribution, y: number): number {
  return y < forecast.m ? forecast.sigmaLow : forecast.sigmaHigh;
}

/** Density at y (per log2 unit). At the median itself it is the right piece's. */
export function forecastPdf(forecast: RuntimeDistribution, y: number): number {
  const sigma = sigmaAt(forecast, y);
  const distance = y - forecast.m;
  return (
    (twoPieceWeight * normalPdf(distance / sigma)) / sigma +
    (broadWeight * normalPdf(distance / broadSigma)) / broadSigma
  );
}

/** P(log2 runtime ≤ y). */
export function forecastCdf(forecast: RuntimeDistribution, y: number): number {
  const distance = y - forecast.m;
  return twoPieceWeight * normalCdf(distance / sigmaAt(forecast, y)) + broadWeight * normalCdf(distance / broadSigma);
}

/** Probability that the runtime is below y = log2(µs), given ok: of a win, where y is the incumbent's time less δ. */
export const probabilityBelow: (forecast: RuntimeDistribution, y: number) => number = forecastCdf;

/**
 * The y that the log2 runtime is below with probability p; −∞ at 0, ∞ at 1, NaN outside. Above the median the mirror
 * image is asked, whose tail is as exact as the left one.
 */
export function forecastQuantile(forecast: RuntimeDistribution, p: number): number {
  if (!(p >= 0 && p <= 1)) return Number.NaN;
  if (p === 0) return Number.NEGATIVE_INFINITY;
  if (p === 1) return Number.POSITIVE_INFINITY;
  const { m, sigmaLow, sigmaHigh } = forecast;
  return p <= 0.5 ? m - quantileDistance(sigmaLow, p) : m + quantileDistance(sigmaHigh, 1 - p);
}

/**
 * How far below the median, on a side of width `sigma`, the mass beyond is `p` ≤ ½. Newton steps on the logarithm of the
 * mass, which is nearly a parabola in the tail, kept inside a shrinking bracket.
 */
function quantileDistance(sigma: number, p: number): number {
  const side: RuntimeDistribution = { m: 0, sigmaLow: sigma, sigmaHigh: sigma };
  let [near, far] = [0, 40 * Math.max(sigma, broadSigma)];
  let distance = p === 0.5 ? 0 : Math.min(far, sigma);
  for (let step = 0; step < 200 && distance > 0; step++) {
    const mass = forecastCdf(side, -distance);
    if (mass > p) near = distance;
    else far = distance;
    const newton = distance + (Math.log(mass / p) * mass) / forecastPdf(side, -distance);
    const next = newton >= near && newton <= far ? newton : 0.5 * (near + far);
    if (Math.abs(next - distance) <= 1e-15 * distance) return next;
    distance = next;
  }
  return distance;
}

/**
 * The width with which the mass beyond `distance` from the median, on one side, is `p` < ½: the inverse of
 * {@link forecastQuantile} in the width. At least {@link smallestSigma}; where even that leaves more mass, it is that.
 */
export function widthOfQuantile(distance: number, p: number): number {
  const narrow = (p - broadWeight * normalCdf(-distance / broadSigma)) / twoPieceWeight;
  return narrow > 0 && narrow < 0.5 ? Math.max(smallestSigma, distance / -normalQuantile(narrow)) : smallestSigma;
}

/**
 * Logarithmic score in nats: −ln of the density at the outcome y = log2(µs). Lower is better. Finite for every finite y:
 * the two parts' logarithms are added, so that neither underflows.
 */
export function forecastLogScore(forecast: RuntimeDistribution, y: number): number {
  const sigma = sigmaAt(forecast, y);
  const distance = y - forecast.m;
  const narrow = Math.log(twoPieceWeight / sigma) + normalLogPdf(distance / sigma);
  const broad = Math.log(broadWeight / broadSigma) + normalLogPdf(distance / broadSigma);
  return -(Math.max(narrow, broad) + Math.log1p(Math.exp(-Math.abs(narrow - broad))));
}

/**
 * Continuous ranked probability score ∫ (F(x) − 1[x ≥ y])² dx in log2 units; lower is better. In closed form: F² is on
 * either side of the median a sum of products Φ(x/a)·Φ(x/b), whose integral is elementary (by parts).
 */
export function forecastCrps(forecast: RuntimeDistribution, y: number): number {
  const distance = Math.abs(y - forecast.m);
  const [near, other] =
    y < forecast.m ? [forecast.sigmaLow, forecast.sigmaHigh] : [forecast.sigmaHigh, forecast.sigmaLow];
  const tailBeyondMedian = squareIntegral(other, 0);
  const medianToOutcome = squareIntegral(near, distance) - squareIntegral(near, 0);
  return tailBeyondMedian + medianToOutcome + squareIntegral(near, -distance);
}

/** ∫ from −∞ to x of the squared mixture of Φ(·/sigma) and Φ(·/broadSigma). */
function squareIntegral(sigma: number, x: number): number {
  return (
    twoPieceWeight ** 2 * productIntegral(sigma, sigma, x) +
    2 * twoPieceWeight * broadWeight * productIntegral(sigma, broadSigma, x) +
    broadWeight ** 2 * productIntegral(broadSigma, broadSigma, x)
  );
}

/** ∫ from −∞ to x of Φ(t/a)·Φ(t/b) dt. */
function productIntegral(a: number, b: number, x: number): number {
  const cdfA = normalCdf(x / a);
  const cdfB = normalCdf(x / b);
  const root = Math.hypot(a, b);
  return (
    x * cdfA * cdfB +
    a * normalPdf(x / a) * cdfB +
    b * normalPdf(x / b) * cdfA -
    (root / Math.sqrt(2 * Math.PI)) * normalCdf((x * root) / (a * b))
  );
}

/**
 * Expected improvement over an incumbent, given ok: E[max(0, incumbent − y)] in log2 units, where `incumbentLog2Us` is
 * log2 of its runtime in µs. Multiply by p_ok for a candidate that may fail. Never negative. `broadMost` caps the
 * improvement that the broad part counts for: it says that a forecast may be wrong, not that the kernel may be sixteen times as fast.
 */
export function expectedImprovement(
  forecast: RuntimeDistribution,
  incumbentLog2Us: number,
  broadMost: number = Number.POSITIVE_INFINITY,
): number {
  const distance = incumbentLog2Us - forecast.m;
  const beyondMost = broadMost < Number.POSITIVE_INFINITY ? cdfIntegral(broadSigma, distance - broadMost) : 0;
  const broad = broadWeight * (cdfIntegral(broadSigma, distance) - beyondMost);
  if (distance < 0) return twoPieceWeight * cdfIntegral(forecast.sigmaLow, distance) + broad;
  const left = cdfIntegral(forecast.sigmaLow, 0);
  const right = cdfIntegral(forecast.sigmaHigh, distance) - cdfIntegral(forecast.sigmaHigh, 0);
  return twoPieceWeight * (left + right) + broad;
}

/** ∫ from −∞ to x of Φ(t/sigma) dt; clamped, because the two terms cancel in the far tail. */
function cdfIntegral(sigma: number, x: number): number {
  const z = x / sigma;
  return Math.max(0, x * normalCdf(z) + sigma * normalPdf(z));
}

/** Mean of y = log2(µs), given ok. */
export function forecastMean({ m, sigmaLow, sigmaHigh }: RuntimeDistribution): number {
  return m + (twoPieceWeight * (sigmaHigh - sigmaLow)) / Math.sqrt(2 * Math.PI);
}

/** Runtimes in µs. */
export interface RuntimeQuantiles {
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
}

/**
 * The distribution that a 10/50/90 answer in µs stands for: median at p50, each width the half-width in log2 units over
 * 1.2816, at least {@link smallestSigma}. An answer out of order is sorted first. Throws `RangeError` unless all are
 * finite and > 0.
 */
export function fromQuantiles(answer: RuntimeQuantiles): RuntimeDistribution {
  const sorted = [answer.p10, answer.p50, answer.p90].sort((a, b) => a - b);
  const [low, m, high] = sorted.map(Math.log2) as [number, number, number];
  if (!sorted.every((us) => us > 0 && us < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`runtime quantiles must be finite and above 0, got ${JSON.stringify(answer)}`);
  }
  return {
    m,
    sigmaLow: Math.max(smallestSigma, (m - low) / sigmasTo90),
    sigmaHigh: Math.max(smallestSigma, (high - m) / sigmasTo90),
  };
}

/** The inverse of {@link fromQuantiles}: the two-piece part's 10/50/90 % quantiles, the broad component left out. */
export function toQuantilesUs({ m, sigmaLow, sigmaHigh }: RuntimeDistribution): RuntimeQuantiles {
  return { p10: 2 ** (m - sigmasTo90 * sigmaLow), p50: 2 ** m, p90: 2 ** (m + sigmasTo90 * sigmaHigh) };
}

/** The distribution moved along the log2 axis: `shiftBy(f, -log2(anchor µs))` is over log2(runtime / anchor's). */
export function shiftBy<T extends RuntimeDistribution>(forecast: T, log2Ratio: number): T {
  return { ...forecast, m: forecast.m + log2Ratio };
}

/**
 * The distribution of log2(speedup) = log2(anchor's runtime / runtime): the mirror image, so the widths change places.
 * `anchorLog2Us` is log2 of the anchor's runtime in µs.
 */
export function speedupAgainst(forecast: RuntimeDistribution, anchorLog2Us: number): RuntimeDistribution {
  return { m: anchorLog2Us - forecast.m, sigmaLow: forecast.sigmaHigh, sigmaHigh: forecast.sigmaLow };
}
