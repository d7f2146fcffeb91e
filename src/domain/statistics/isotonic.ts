/** A non-decreasing piecewise-linear function: `y` at the ascending knots `x`, constant beyond them. */
export interface IsotonicFit {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

interface Block {
  first: number;
  last: number;
  weight: number;
  value: number;
}

/**
 * Least-squares non-decreasing fit by pooling adjacent violators. Points with equal x are averaged first; weights
 * default to 1 and must be > 0. Each level set keeps its first and last x as knots.
 */
export function fitIsotonic(
  x: readonly number[],
  y: readonly number[],
  weights: readonly number[] = x.map(() => 1),
): IsotonicFit {
  if (x.length !== y.length || x.length !== weights.length)
    throw new RangeError(`fitIsotonic: ${x.length} x, ${y.length} y, ${weights.length} weights`);
  const blocks: Block[] = [];
  for (const block of mergeEqual(x, y, weights)) {
    blocks.push(block);
    pool(blocks);
  }
  const knots = blocks.flatMap(({ first, last, value }) =>
    first === last ? [[first, value] as const] : [[first, value] as const, [last, value] as const],
  );
  return { x: knots.map(([position]) => position), y: knots.map(([, value]) => value) };
}

function mergeEqual(x: readonly number[], y: readonly number[], weights: readonly number[]): Block[] {
  const order = x.map((_, index) => index).sort((a, b) => (x[a] as number) - (x[b] as number));
  const merged: Block[] = [];
  for (const index of order) {
    const point = { first: x[index] as number, weight: weights[index] as number, value: y[index] as number };
    const previous = merged.at(-1);
    if (previous?.first === point.first) absorb(previous, { ...point, last: point.first });
    else merged.push({ ...point, last: point.first });
  }
  return merged;
}

function pool(blocks: Block[]): void {
  for (let top = blocks.length - 1; top > 0; top--) {
    const left = blocks[top - 1] as Block;
    const right = blocks[top] as Block;
    if (left.value < right.value) return;
    absorb(left, right);
    blocks.pop();
  }
}

function absorb(left: Block, right: Block): void {
  const weight = left.weight + right.weight;
  left.value = (left.value * left.weight + right.value * right.weight) / weight;
  left.weight = weight;
  left.last = right.last;
}

/** Value of a fit at a point; NaN for a fit without knots. */
export function applyIsotonic({ x, y }: IsotonicFit, point: number): number {
  let [low, high] = [0, x.length - 1];
  if (high < 0) return Number.NaN;
  if (point <= (x[low] as number)) return y[low] as number;
  if (point >= (x[high] as number)) return y[high] as number;
  while (high - low > 1) {
    const centre = (low + high) >> 1;
    if ((x[centre] as number) <= point) low = centre;
    else high = centre;
  }
  const [left, right] = [x[low] as number, x[high] as number];
  return (y[low] as number) + ((point - left) / (right - left)) * ((y[high] as number) - (y[low] as number));
}
