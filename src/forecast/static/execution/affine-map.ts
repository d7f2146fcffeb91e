/** One direction of a launch along which its threads or blocks lie: how many, and how many elements further each is. */
export interface Direction {
  readonly extent: number;
  /** What one step along it adds to the linear number. */
  readonly step: number;
  readonly stride: number;
}

/** Where threads (or blocks) of a launch write in a buffer: their lowest element is affine in their place. */
export interface AffineMap {
  readonly base: number;
  readonly directions: readonly Direction[];
}

/**
 * Linear number of the thread (or block) whose elements should hold one; undefined where none can. A launch whose
 * threads go round, each taking every n-th part, is followed round.
 */
export function invert({ base, directions }: AffineMap, element: number): number | undefined {
  const sorted = directions.filter(({ stride }) => stride > 0).toSorted((a, b) => b.stride - a.stride);
  const widest = sorted[0];
  let rest = element - base;
  if (rest < 0) return undefined;
  if (widest && rest >= widest.stride * widest.extent) rest %= widest.stride * widest.extent;
  let number = 0;
  for (const { extent, step, stride } of sorted) {
    const index = Math.min(extent - 1, Math.floor(rest / stride));
    number += index * step;
    rest -= index * stride;
  }
  return number;
}

/** How many numbers `alongStill` finds. */
export function stillCount({ directions }: AffineMap): number {
  return directions.reduce((count, { extent, stride }) => (stride === 0 ? count * extent : count), 1);
}

/** All numbers that differ from one only along directions in which nothing moves. */
export function alongStill({ directions }: AffineMap, number: number): number[] {
  let numbers = [number];
  for (const { extent, step, stride } of directions) {
    if (stride !== 0 || extent === 1) continue;
    const first = numbers.map((any) => any - (Math.floor(any / step) % extent) * step);
    numbers = Array.from({ length: extent }, (_, index) => first.map((start) => start + index * step)).flat();
  }
  return numbers;
}
