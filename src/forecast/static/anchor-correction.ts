/** How far measured kernels correct the forecasts of others; fitted on tasks held out of training. */
export interface AnchorCorrection {
  /** Distance over which an anchor's say falls by e. */
  readonly reach: number;
  /** Weight of no correction, against 1 for an anchor that is alike. */
  readonly steadiness: number;
  /** Share of the variance that anchors alike take away, 0–1. */
  readonly sharpening: number;
}

/** A measured kernel seen from a candidate: how unlike it is, and its true log2 runtime less its forecast. */
export interface AnchorError {
  readonly distance: number;
  readonly error: number;
}

/** What anchors say of a forecast: what to add to its median, and by what to multiply its widths. */
export function correct(
  { reach, steadiness, sharpening }: AnchorCorrection,
  anchors: readonly AnchorError[],
): { readonly shift: number; readonly narrowing: number } {
  let [weight, sum] = [0, 0];
  for (const { distance, error } of anchors) {
    const own = Math.exp(-distance / reach);
    weight += own;
    sum += own * error;
  }
  const known = weight / (weight + steadiness);
  return { shift: sum / (weight + steadiness), narrowing: Math.sqrt(1 - sharpening * known) };
}
