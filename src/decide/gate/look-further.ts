import type { PlanningContext, PieceCosts, PolicyContext } from "../../domain/index.ts";
import { usdPerPiece, type Prices } from "./costs.ts";
import type { GateOptions } from "./options.ts";
import type { Prospect } from "./prospects.ts";

/** What seeing another batch of proposals before measuring promises. */
export interface Look {
  /** Whether the next proposals are to be seen first. */
  readonly isWorth: boolean;
  /** By how much the best gain on offer is expected to rise, as a share of it. */
  readonly share: number;
}

/**
 * Whether to see another batch before the device is used: searching goes on while what it is expected to add is worth more than it
 * costs (Weitzman 1979). What it adds is estimated from the candidates considered so far, proposals being exchangeable: a batch of k after n holds a new
 * best with probability k / (n + k), which exceeds the old one by the scale of the gains' tail.
 */
export function lookFurther(
  prospects: readonly Prospect[],
  { planning, measurementsLeft }: PolicyContext,
  options: GateOptions,
): Look {
  if (!planning?.proposalsAtHand || planning.again || measurementsLeft === 0) return { isWorth: false, share: 0 };
  const { considered, measured, costs } = planning;
  const room = options.consideredFirst + options.consideredPerMeasurement * measured;
  if (considered + options.proposalsPerParent > room) return { isWorth: false, share: 0 };
  const share = expectedRise(prospects, considered, options.proposalsPerParent);
  if (share < options.leastRise) return { isWorth: false, share };
  const perCandidate =
    usdWithWaiting(costs.proposing, options.prices) + usdWithWaiting(costs.forecasting, options.prices);
  const cost = perCandidate * options.proposalsPerParent;
  return { isWorth: share * worthOfMeasuring(planning, options) >= cost, share };
}

/** Expected rise of the best gain by another `batch` candidates after `considered`, over that gain; 1 while nothing promises any. */
export function expectedRise(
  prospects: readonly Pick<Prospect, "gain" | "fails">[],
  considered: number,
  batch: number,
): number {
  const gains = prospects.map(({ gain, fails }) => (fails ? 0 : gain)).sort((a, b) => b - a);
  const best = gains[0] ?? 0;
  if (best <= 0) return 1;
  const top = Math.min(gains.length - 1, Math.ceil(Math.sqrt(gains.length)));
  if (top < 1) return 1;
  const beyond = gains[top] as number;
  const scale = gains.slice(0, top).reduce((sum, gain) => sum + gain - beyond, 0) / top;
  const total = Math.max(considered, gains.length) + batch;
  return ((batch / total) * scale) / best;
}

/** USD of one piece, the device being held while it is waited for. */
function usdWithWaiting(costs: PieceCosts, prices: Prices): number {
  const { pieces, seconds } = costs;
  if (pieces === 0) return 0;
  return (usdPerPiece(costs, prices) ?? 0) + (seconds * prices.gpuUsdPerHour) / 3600 / pieces;
}

/** USD that a measurement is worth: what it costs, more where they are rationed by number. */
function worthOfMeasuring({ costs, rationed }: PlanningContext, { prices, rationedWorth }: GateOptions): number {
  const cost = usdWithWaiting(costs.measuring, prices) + usdWithWaiting(costs.compiling, prices);
  return cost * (rationed ? rationedWorth : 1);
}
