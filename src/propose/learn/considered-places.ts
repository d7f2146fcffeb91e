import { keyedStream } from "../../domain/index.ts";
import type { Coordinates } from "./coordinates.ts";
import { squaredDistance } from "./covariance.ts";

/** Points that are forecast at once: more would take longer than a measurement does. */
const mostPoints = 20_000;
/** Of those, how many lie near the fastest. */
const nearPoints = 4000;

/**
 * Which of a space's points are considered next, in ascending order: all of a space of up to twenty thousand; of a larger one those
 * measured, those near the fastest, and others drawn at random.
 */
export function consideredPlaces(
  points: Coordinates,
  measured: readonly number[],
  fastest: number,
  key: readonly [seed: number, draw: number],
): Int32Array {
  if (points.count <= mostPoints) return Int32Array.from({ length: points.count }, (_, place) => place);
  const chosen = new Set(measured);
  for (const place of nearest(points, fastest)) chosen.add(place);
  const uniform = keyedStream(key[0], "considered", key[1]);
  while (chosen.size < mostPoints) chosen.add(Math.floor(uniform() * points.count));
  return Int32Array.from(chosen).sort();
}

function nearest(points: Coordinates, place: number): Int32Array {
  const alike = new Float64Array(points.size).fill(1);
  const distances = new Float64Array(points.count);
  for (let other = 0; other < points.count; other++) {
    distances[other] = squaredDistance(points.values, alike, place, other);
  }
  const order = Int32Array.from({ length: points.count }, (_, other) => other);
  order.sort((a, b) => (distances[a] as number) - (distances[b] as number) || a - b);
  return order.subarray(0, nearPoints);
}

/** The coordinates of some of the points. */
export function coordinatesAt({ size, values }: Coordinates, places: Int32Array): Coordinates {
  const own = new Float64Array(places.length * size);
  for (const [at, place] of places.entries()) own.set(values.subarray(place * size, (place + 1) * size), at * size);
  return { count: places.length, size, values: own };
}
