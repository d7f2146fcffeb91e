import { forecastCdf, type RuntimeDistribution } from "../domain/index.ts";

/**
 * Edges of the eight bins of the published gate, on the speedup over the seed kernel: those that its forecaster is told of. (Its
 * labels follow another formula, which changes no order.)
 */
const edges = [0.25, 0.5, 0.71, 1, 1.41, 2, 4] as const;

/** Expected bin, 1 to 8, given that the kernel works; higher is faster. `anchorLog2Us` is log2 of the seed kernel's µs. */
export function expectedPublishedBin(forecast: RuntimeDistribution, anchorLog2Us: number): number {
  // The mean of 1 to 8 is 1 plus the probabilities of reaching each edge.
  return edges.reduce<number>((sum, edge) => sum + forecastCdf(forecast, anchorLog2Us - Math.log2(edge)), 1);
}
