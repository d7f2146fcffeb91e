export interface MinimiseOptions {
  readonly iterations?: number;
  /** Step of the numerical gradient. */
  readonly step?: number;
  /** Stops when a whole iteration gains less than this. */
  readonly tolerance?: number;
}

/**
 * A local minimum of a smooth function of a few numbers, from a start: BFGS with central differences and a halving line
 * search that never accepts a higher value. Deterministic.
 */
export function minimise(
  cost: (point: readonly number[]) => number,
  start: readonly number[],
  { iterations = 60, step = 1e-4, tolerance = 1e-6 }: MinimiseOptions = {},
): number[] {
  const size = start.length;
  let point = [...start];
  let value = cost(point);
  let slope = gradient(cost, point, step);
  let inverse = identity(size);
  for (let iteration = 0; iteration < iterations; iteration++) {
    let direction = inverse.map((row) => -dot(row, slope));
    if (dot(direction, slope) >= 0) {
      inverse = identity(size);
      direction = slope.map((part) => -part);
    }
    const next = search(cost, point, value, direction);
    if (!next) break;
    const nextSlope = gradient(cost, next.point, step);
    inverse = update(
      inverse,
      next.point.map((part, index) => part - (point[index] as number)),
      nextSlope.map((part, index) => part - (slope[index] as number)),
    );
    const gain = value - next.value;
    [point, value, slope] = [next.point, next.value, nextSlope];
    if (gain < tolerance) break;
  }
  return point;
}

function gradient(cost: (point: readonly number[]) => number, point: readonly number[], step: number): number[] {
  return point.map((part, index) => {
    const at = (moved: number): number => cost(point.with(index, moved));
    return (at(part + step) - at(part - step)) / (2 * step);
  });
}

/** The longest halved step along a direction that lowers the cost; undefined where none does. */
function search(
  cost: (point: readonly number[]) => number,
  point: readonly number[],
  value: number,
  direction: readonly number[],
): { readonly point: number[]; readonly value: number } | undefined {
  const longest = Math.max(...direction.map(Math.abs));
  for (let halving = 0, length = Math.min(1, 1 / longest); halving < 30; halving++, length /= 2) {
    const moved = point.map((part, index) => part + length * (direction[index] as number));
    const there = cost(moved);
    if (there < value) return { point: moved, value: there };
  }
  return undefined;
}

/** The inverse Hessian after a step and the change of slope along it; unchanged where that is not convex. */
function update(inverse: readonly number[][], moved: readonly number[], turned: readonly number[]): number[][] {
  const curvature = dot(moved, turned);
  if (!(curvature > 1e-12)) return inverse.map((row) => [...row]);
  const image = inverse.map((row) => dot(row, turned));
  const scale = (1 + dot(turned, image) / curvature) / curvature;
  return inverse.map((row, i) =>
    row.map(
      (part, j) =>
        part +
        scale * (moved[i] as number) * (moved[j] as number) -
        ((image[i] as number) * (moved[j] as number) + (moved[i] as number) * (image[j] as number)) / curvature,
    ),
  );
}

function identity(size: number): number[][] {
  return Array.from({ length: size }, (_, i) => Array.from({ length: size }, (__, j) => (i === j ? 1 : 0)));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);
}
