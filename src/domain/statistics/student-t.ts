/**
 * Distribution function of Student's t with `degrees` > 0 (need not be whole), by the regularised incomplete beta
 * function; about 1e-13 relative in the lower tail.
 */
export function studentTCdf(t: number, degrees: number): number {
  if (!(degrees > 0) || Number.isNaN(t)) return Number.NaN;
  const tail = 0.5 * incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
  return t > 0 ? 1 - tail : tail;
}

/**
 * Quantile of Student's t: the value that a draw is below with probability p. −∞ at 0, ∞ at 1, NaN outside [0, 1]
 * or for `degrees` ≤ 0. Found by bisection between doubled bounds.
 */
export function studentTQuantile(p: number, degrees: number): number {
  if (!(p >= 0 && p <= 1) || !(degrees > 0)) return Number.NaN;
  if (p === 0.5) return 0;
  if (p > 0.5) return -studentTQuantile(1 - p, degrees);
  if (p === 0) return Number.NEGATIVE_INFINITY;
  let low = -1;
  while (studentTCdf(low, degrees) > p && Number.isFinite(low)) low *= 2;
  return bisect(low, low === -1 ? 0 : low / 2, (t) => studentTCdf(t, degrees) > p);
}

/** Narrows [low, high] to neighbouring doubles around the point from which `above` holds. */
function bisect(low: number, high: number, above: (x: number) => boolean): number {
  let [left, right] = [low, high];
  for (let step = 0; step < 200; step++) {
    const centre = 0.5 * (left + right);
    if (centre <= left || centre >= right) break;
    if (above(centre)) right = centre;
    else left = centre;
  }
  return 0.5 * (left + right);
}

/** Regularised incomplete beta function I_x(a, b) for x in [0, 1] and a, b > 0. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(x, a, b)) / a : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

/** The continued fraction of the incomplete beta function (DLMF 8.17.22) by the modified Lentz method. */
function betaFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / awayFromZero(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / awayFromZero(1 + even * d);
    c = awayFromZero(1 + even / c);
    value *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / awayFromZero(1 + odd * d);
    c = awayFromZero(1 + odd / c);
    value *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return value;
}

function awayFromZero(x: number): number {
  return Math.abs(x) < 1e-300 ? 1e-300 : x;
}

/** Logarithm of the gamma function for x > 0: Stirling's series (DLMF 5.11.1) after raising x above 15. */
export function logGamma(x: number): number {
  let product = 1;
  let y = x;
  while (y < 15) product *= y++;
  const inverse = 1 / (y * y);
  let series = 0;
  for (const coefficient of stirling) series = series * inverse + coefficient;
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series / y - Math.log(product);
}

const stirling = [-691 / 360_360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12];
