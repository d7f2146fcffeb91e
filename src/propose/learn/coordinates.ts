/** Where a space's points lie for a model of it: `size` numbers a point, one point after another, each between 0 and 1. */
export interface Coordinates {
  readonly count: number;
  readonly size: number;
  readonly values: Float64Array;
}

export interface PointFacts {
  /** Values of the parameters, in an order that all points share. */
  readonly values: readonly number[];
  /** Threads of a block, where that is known. */
  readonly threads?: number;
}

/** Threads of a warp. */
const warp = 32;
/** Doublings beyond which an even number is not more aligned for any hardware. */
const mostAlignment = 8;

/**
 * Coordinates of points, made of what speed goes by on any GPU: parameters in doublings where they span some, how often a value
 * that need not be a power of two can be halved (alignment), their product, the threads of a block, and how full its last warp is.
 */
export function coordinatesOf(points: readonly PointFacts[]): Coordinates {
  const parameters = points[0]?.values.length ?? 0;
  const columns: number[][] = [];
  for (let index = 0; index < parameters; index++) {
    const values = points.map((point) => point.values[index] as number);
    columns.push(scaleOf(values));
    if (canBeMisaligned(values)) columns.push(values.map(alignmentOf));
  }
  const threads = points.map(({ threads: known }) => known ?? 1);
  columns.push(
    productOf(points, parameters),
    threads.map((count) => Math.log2(count)),
    threads.map((count) => count / (warp * Math.ceil(count / warp))),
  );
  return pack(columns.filter(varies), points.length);
}

/** Doublings of the product of all parameters that span some: the work of a block, where they are its shape and its tiles. */
function productOf(points: readonly PointFacts[], parameters: number): number[] {
  const product = points.map(() => 0);
  for (let index = 0; index < parameters; index++) {
    const values = points.map((point) => point.values[index] as number);
    if (!spansDoublings(values)) continue;
    for (const [at, value] of values.entries()) product[at] = (product[at] as number) + Math.log2(value);
  }
  return product;
}

function spansDoublings(values: readonly number[]): boolean {
  const [least, most] = extremes(values);
  return least > 0 && most / least >= 3;
}

/** Doublings for a parameter that spans more than one; as it is for switches and short ranges. */
function scaleOf(values: readonly number[]): number[] {
  if (spansDoublings(values)) return values.map((value) => Math.log2(value));
  const [least, most] = extremes(values);
  if (least === 0 && most > 3) return values.map((value) => Math.log2(1 + value));
  return [...values];
}

function canBeMisaligned(values: readonly number[]): boolean {
  const distinct = [...new Set(values)];
  if (distinct.length < 3 || Math.max(...distinct) < 5) return false;
  return (
    distinct.every(Number.isSafeInteger) &&
    !distinct.every((value) => value > 0 && alignmentOf(value) === Math.log2(value))
  );
}

function alignmentOf(value: number): number {
  let halvings = 0;
  for (let rest = value; rest > 0 && rest % 2 === 0 && halvings < mostAlignment; rest /= 2) halvings++;
  return halvings;
}

function varies(column: readonly number[]): boolean {
  return column.some((value) => value !== column[0]);
}

function pack(columns: readonly (readonly number[])[], count: number): Coordinates {
  const size = columns.length;
  const values = new Float64Array(count * size);
  for (const [place, column] of columns.entries()) {
    const [least, most] = extremes(column);
    for (const [point, value] of column.entries()) values[point * size + place] = (value - least) / (most - least);
  }
  return { count, size, values };
}

/** A spread of a hundred thousand arguments would overflow the stack. */
function extremes(values: readonly number[]): readonly [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [least, most];
}
