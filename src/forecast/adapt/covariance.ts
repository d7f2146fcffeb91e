import type { KernelPoint } from "./kernel-point.ts";
import { sketchLikeness } from "./sketch.ts";

/** What a Gaussian process over kernels is told apart from others by. Few: they are chosen by what few measurements say. */
export interface CovarianceSetting {
  /** Mean difference of features over which what one kernel says of another falls by e. */
  readonly reach: number;
  /** Share of the variance that goes by likeness of text, and by tuned numbers; features have the rest. */
  readonly text: number;
  readonly parameters: number;
  /** Variance that no other kernel tells of, over that which others do. */
  readonly noise: number;
}

/** Sum of the differences of tuned numbers, in doublings, over which what one kernel says of another falls by e. */
const parameterReach = 8;

/** How two kernels differ; what covariances of every setting are made of. */
export interface Difference {
  readonly features: number;
  readonly parameters: number;
  /** Share in common. */
  readonly text: number;
}

export function differenceOf(one: KernelPoint, other: KernelPoint): Difference {
  return {
    features: meanDifference(one.features, other.features),
    parameters: sumOfDifferences(one.parameters, other.parameters),
    text: sketchLikeness(one.sketch, other.sketch),
  };
}

/** The covariance of two kernels' residuals, 1 for a kernel with itself; positive definite over any kernels. */
export function covarianceOf({ features, parameters, text }: Difference, setting: CovarianceSetting): number {
  const byFeatures = (1 - setting.text - setting.parameters) * Math.exp(-features / setting.reach);
  return byFeatures + setting.text * text + setting.parameters * Math.exp(-parameters / parameterReach);
}

function meanDifference(one: Float64Array, other: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += Math.abs((one[at] as number) - (other[at] as number));
  return one.length === 0 ? 0 : sum / one.length;
}

/** A number that one of them lacks counts as 0 there. */
function sumOfDifferences(one: KernelPoint["parameters"], other: KernelPoint["parameters"]): number {
  let [sum, a, b] = [0, 0, 0];
  while (a < one.names.length || b < other.names.length) {
    const here = one.names[a] ?? Number.POSITIVE_INFINITY;
    const there = other.names[b] ?? Number.POSITIVE_INFINITY;
    const own = here <= there ? (one.values[a++] as number) : 0;
    const others = there <= here ? (other.values[b++] as number) : 0;
    sum += Math.abs(own - others);
  }
  return sum;
}
