/**
 * A number as it is at a fixed set of points of a launch: every lane of two warps, and a few single threads each one step
 * away from the first lane along one direction. Addresses evaluated at them show which lanes share a sector and what
 * repeats from warp to warp, block to block and iteration to iteration. A plain number is the same at all points; NaN is
 * unknown.
 */
export type Lanes = number | Float64Array;

export const lanesPerWarp = 32;
/** Points of the block's first warp, then of one from its middle. */
export const warpPoints: number = 2 * lanesPerWarp;
/** The first lane of the next warp. */
export const nextWarpPoint: number = warpPoints;
/** The same thread of the next block along x, y and z. */
export const nextBlockPoints: readonly [number, number, number] = [warpPoints + 1, warpPoints + 2, warpPoints + 3];
/** The same thread one iteration further in the loop of nesting depth 0, 1, … */
export const firstLoopPoint: number = warpPoints + 4;
export const deepestLoop = 11;
export const pointCount: number = firstLoopPoint + deepestLoop + 1;

/** The value at one point. */
export function at(lanes: Lanes, point: number): number {
  return typeof lanes === "number" ? lanes : (lanes[point] as number);
}

/** Applies an operation at every point. */
export function map(a: Lanes, operation: (x: number) => number): Lanes {
  return typeof a === "number" ? operation(a) : a.map(operation);
}

/** Combines two values at every point. */
export function combine(a: Lanes, b: Lanes, operation: (x: number, y: number) => number): Lanes {
  if (typeof a === "number" && typeof b === "number") return operation(a, b);
  const result = new Float64Array(pointCount);
  for (let point = 0; point < pointCount; point++) result[point] = operation(at(a, point), at(b, point));
  return result;
}

/** `yes` where the condition is not 0, `no` where it is; where it is unknown, what both agree on. */
export function select(condition: Lanes, yes: Lanes, no: Lanes): Lanes {
  if (typeof condition === "number" && !Number.isNaN(condition)) return condition === 0 ? no : yes;
  const result = new Float64Array(pointCount);
  for (let point = 0; point < pointCount; point++) {
    const [known, a, b] = [at(condition, point), at(yes, point), at(no, point)];
    if (Number.isNaN(known)) result[point] = a === b ? a : Number.NaN;
    else result[point] = known === 0 ? b : a;
  }
  return result;
}

/** A copy with one point changed. */
export function withPoint(lanes: Lanes, point: number, value: number): Lanes {
  if (typeof lanes === "number" && Object.is(lanes, value)) return lanes;
  const result = typeof lanes === "number" ? new Float64Array(pointCount).fill(lanes) : lanes.slice();
  result[point] = value;
  return result;
}

export function isUnknown(lanes: Lanes): boolean {
  return Number.isNaN(at(lanes, 0));
}

/** Geometry of one launch. */
export interface LaunchShape {
  readonly grid: readonly [number, number, number];
  readonly block: readonly [number, number, number];
}

/** `threadIdx`, `blockIdx` (of a block from the middle of the grid) for every point, by axis. */
export function threadPositions(shape: LaunchShape): {
  readonly thread: readonly [Lanes, Lanes, Lanes];
  readonly block: readonly [Lanes, Lanes, Lanes];
} {
  const [x, y, z] = shape.block;
  const threads = x * y * z;
  const warps = Math.ceil(threads / lanesPerWarp);
  const linear = new Float64Array(pointCount);
  for (let lane = 0; lane < lanesPerWarp; lane++) {
    linear[lane] = lane;
    linear[lanesPerWarp + lane] = Math.floor(warps / 2) * lanesPerWarp + lane;
  }
  linear[nextWarpPoint] = warps > 1 ? lanesPerWarp : 0;
  const axis = (index: number): Lanes => {
    const middle = Math.floor((shape.grid[index] as number) / 2) - ((shape.grid[index] as number) > 1 ? 1 : 0);
    return withPoint(middle, nextBlockPoints[index] as number, middle + 1);
  };
  return {
    thread: [
      map(linear, (i) => i % x),
      map(linear, (i) => Math.floor(i / x) % y),
      map(linear, (i) => Math.floor(i / (x * y)) % z),
    ],
    block: [axis(0), axis(1), axis(2)],
  };
}
