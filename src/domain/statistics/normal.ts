const inverseSqrtPi = 0.5641895835477563;
const inverseSqrtTwoPi = 0.3989422804014327;

/** Density of the standard normal. */
export function normalPdf(z: number): number {
  return inverseSqrtTwoPi * Math.exp(-0.5 * z * z);
}

/** Distribution function of the standard normal, with full relative accuracy in the lower tail (to z ≈ −37.5). */
export function normalCdf(z: number): number {
  return 0.5 * erfc(-z * Math.SQRT1_2);
}

/** Logarithm of {@link normalPdf}; finite for every finite z. */
export function normalLogPdf(z: number): number {
  return Math.log(inverseSqrtTwoPi) - 0.5 * z * z;
}

/**
 * Quantile of the standard normal; −∞ at 0, ∞ at 1, NaN outside [0, 1]. Acklam's rational approximation (2003,
 * relative error 1.2e-9) and one Halley step on the distribution function, which leaves rounding error only.
 */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) return Number.NaN;
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p === 0) return Number.NEGATIVE_INFINITY;
  const z = acklam(p);
  const step = (normalCdf(z) - p) / normalPdf(z);
  return Number.isFinite(step) ? z - step / (1 + 0.5 * z * step) : z;
}

/** For 0 < p ≤ 0.5. */
function acklam(p: number): number {
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    return polynomial(tailNumerator, q) / (polynomial(tailDenominator, q) * q + 1);
  }
  const q = p - 0.5;
  const r = q * q;
  return (polynomial(centreNumerator, r) * q) / (polynomial(centreDenominator, r) * r + 1);
}

const centreNumerator = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
  2.506628277459239,
];
const centreDenominator = [
  -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1,
];
const tailNumerator = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const tailDenominator = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];

/** Horner's scheme, highest power first. */
function polynomial(coefficients: readonly number[], x: number): number {
  let value = 0;
  for (const coefficient of coefficients) value = value * x + coefficient;
  return value;
}

/**
 * Complementary error function to about 1e-15 relative. Rational Chebyshev approximations of W. J. Cody (1969, Math. Comp. 23).
 */
export function erfc(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x)) return Number.NaN;
  if (size <= 0.46875) return 1 - x * ratio(smallNumerator, smallDenominator, x * x);
  const tail = size <= 4 ? middle(size) : far(size);
  return x < 0 ? 2 - tail : tail;
}

function middle(x: number): number {
  return splitGaussian(x) * ratio(middleNumerator, middleDenominator, x);
}

function far(x: number): number {
  if (x > 27) return 0;
  const inverse = 1 / (x * x);
  return (splitGaussian(x) * (inverseSqrtPi - inverse * ratio(farNumerator, farDenominator, inverse))) / x;
}

/** exp(−x²) with x² split into an exact head and a small rest, so that its rounding error is not magnified. */
function splitGaussian(x: number): number {
  const head = Math.trunc(x * 16) / 16;
  return Math.exp(-head * head) * Math.exp(-(x - head) * (x + head));
}

function ratio(numerator: readonly number[], denominator: readonly number[], x: number): number {
  return polynomial(numerator, x) / polynomial(denominator, x);
}

const smallNumerator = [
  0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694,
];
const smallDenominator = [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171];
const middleNumerator = [
  2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001, 881.952221241769,
  1712.0476126340707, 2051.0783778260716, 1230.3393547979972,
];
const middleDenominator = [
  1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
  4362.619090143247, 3439.3676741437216, 1230.3393548037495,
];
const farNumerator = [
  0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275,
  0.0006587491615298378,
];
const farDenominator = [
  1, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918,
];
