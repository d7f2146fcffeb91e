/** A number for each lane of a run; a plain number is the same in all lanes. */
export type Lanes = number | Float64Array;

const slabBytes = 2 ** 16;
let slab = new ArrayBuffer(slabBytes);
let used = 0;

/**
 * Zeros for so many lanes. Small arrays are parts of larger ones: memory for each of its own costs several times what most
 * operations on them do.
 */
export function zeroLanes(width: number): Float64Array {
  const bytes = 8 * width;
  if (8 * bytes > slabBytes) return new Float64Array(width);
  if (used + bytes > slabBytes) {
    slab = new ArrayBuffer(slabBytes);
    used = 0;
  }
  const lanes = new Float64Array(slab, used, width);
  used += bytes;
  return lanes;
}

/** A number for each lane of a run. */
export function lanesFrom(width: number, valueOf: (lane: number) => number): Float64Array {
  const lanes = zeroLanes(width);
  for (let lane = 0; lane < width; lane++) lanes[lane] = valueOf(lane);
  return lanes;
}

/** Which lanes take part. Never changed once made. */
export interface Mask {
  readonly active: Uint8Array;
  readonly count: number;
}

export function makeMask(active: Uint8Array): Mask {
  let count = 0;
  for (const lane of active) count += lane;
  return { active, count };
}

export function laneOf(lanes: Lanes, lane: number): number {
  return typeof lanes === "number" ? lanes : (lanes[lane] as number);
}

/** The same in every lane that takes part, or undefined. */
export function uniformOf(lanes: Lanes, mask: Mask): number | undefined {
  if (typeof lanes === "number") return lanes;
  let found: number | undefined;
  for (let lane = 0; lane < lanes.length; lane++) {
    if (mask.active[lane] === 0) continue;
    const value = lanes[lane] as number;
    if (found !== undefined && found !== value) return undefined;
    found = value;
  }
  return found;
}

/** Lanes of a mask where a condition is not 0; the mask itself where all are. */
export function where(mask: Mask, condition: Lanes): Mask {
  if (typeof condition === "number") return condition === 0 ? none(mask) : mask;
  const active = new Uint8Array(condition.length);
  let count = 0;
  for (let lane = 0; lane < condition.length; lane++) {
    if (mask.active[lane] !== 0 && condition[lane] !== 0) {
      active[lane] = 1;
      count++;
    }
  }
  return count === mask.count ? mask : { active, count };
}

const empty = new Map<number, Mask>();

/** The mask of no lanes. */
export function none({ active }: Mask): Mask {
  let mask = empty.get(active.length);
  if (!mask) {
    mask = { active: new Uint8Array(active.length), count: 0 };
    empty.set(active.length, mask);
  }
  return mask;
}

export function without(mask: Mask, other: Mask): Mask {
  if (other.count === 0 || mask.count === 0) return mask;
  if (other === mask) return none(mask);
  const active = mask.active.slice();
  let { count } = mask;
  for (let lane = 0; lane < active.length; lane++) {
    if (active[lane] !== 0 && other.active[lane] !== 0) {
      active[lane] = 0;
      count--;
    }
  }
  return count === mask.count ? mask : { active, count };
}

export function union(mask: Mask, other: Mask): Mask {
  if (other.count === 0) return mask;
  if (mask.count === 0) return other;
  const active = mask.active.slice();
  let { count } = mask;
  for (let lane = 0; lane < active.length; lane++) {
    if (active[lane] === 0 && other.active[lane] !== 0) {
      active[lane] = 1;
      count++;
    }
  }
  return count === mask.count ? mask : { active, count };
}

/** `now` in the lanes of a mask, `before` in the others. */
export function blend(before: Lanes, now: Lanes, mask: Mask): Lanes {
  if (typeof before === "number" && before === now) return before;
  const { active } = mask;
  const result = zeroLanes(active.length);
  if (typeof before === "number") result.fill(before);
  else result.set(before);
  if (typeof now === "number") {
    for (let lane = 0; lane < active.length; lane++) if (active[lane] !== 0) result[lane] = now;
  } else {
    for (let lane = 0; lane < active.length; lane++) if (active[lane] !== 0) result[lane] = now[lane] as number;
  }
  return result;
}

export function mapLanes(lanes: Lanes, operation: (x: number) => number): Lanes {
  if (typeof lanes === "number") return operation(lanes);
  const result = zeroLanes(lanes.length);
  for (let lane = 0; lane < lanes.length; lane++) result[lane] = operation(lanes[lane] as number);
  return result;
}

export function zipLanes(a: Lanes, b: Lanes, operation: (x: number, y: number) => number): Lanes {
  if (typeof a === "number") {
    return typeof b === "number" ? operation(a, b) : mapLanes(b, (y) => operation(a, y));
  }
  const result = zeroLanes(a.length);
  if (typeof b === "number") {
    for (let lane = 0; lane < a.length; lane++) result[lane] = operation(a[lane] as number, b);
  } else {
    for (let lane = 0; lane < a.length; lane++) result[lane] = operation(a[lane] as number, b[lane] as number);
  }
  return result;
}
