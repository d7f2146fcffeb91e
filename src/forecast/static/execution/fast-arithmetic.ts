import { laneOf, zeroLanes, type Lanes } from "./lanes.ts";

/*
 * The commonest operations, each with loops of its own: a loop that calls a function for each lane is several times as
 * slow once it has seen many functions.
 */

type FastOperation = (a: Lanes, b: Lanes) => Lanes;

function widthOf(a: Lanes, b: Lanes): number {
  return typeof a === "number" ? (b as Float64Array).length : a.length;
}

function addFloats(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.fround(a + ((b as Float64Array)[lane] as number));
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = Math.fround((a[lane] as number) + b);
  } else {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.fround((a[lane] as number) + (b[lane] as number));
  }
  return result;
}

function subtractFloats(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.fround(a - ((b as Float64Array)[lane] as number));
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = Math.fround((a[lane] as number) - b);
  } else {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.fround((a[lane] as number) - (b[lane] as number));
  }
  return result;
}

function multiplyFloats(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.fround(a * ((b as Float64Array)[lane] as number));
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = Math.fround((a[lane] as number) * b);
  } else {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.fround((a[lane] as number) * (b[lane] as number));
  }
  return result;
}

function addSigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = (a + ((b as Float64Array)[lane] as number)) | 0;
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = ((a[lane] as number) + b) | 0;
  } else {
    for (let lane = 0; lane < result.length; lane++) result[lane] = ((a[lane] as number) + (b[lane] as number)) | 0;
  }
  return result;
}

function subtractSigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = (a - ((b as Float64Array)[lane] as number)) | 0;
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = ((a[lane] as number) - b) | 0;
  } else {
    for (let lane = 0; lane < result.length; lane++) result[lane] = ((a[lane] as number) - (b[lane] as number)) | 0;
  }
  return result;
}

function multiplySigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = Math.imul(a, (b as Float64Array)[lane] as number);
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = Math.imul(a[lane] as number, b);
  } else {
    for (let lane = 0; lane < result.length; lane++) result[lane] = Math.imul(a[lane] as number, b[lane] as number);
  }
  return result;
}

function addUnsigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = (a + ((b as Float64Array)[lane] as number)) >>> 0;
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = ((a[lane] as number) + b) >>> 0;
  } else {
    for (let lane = 0; lane < result.length; lane++) result[lane] = ((a[lane] as number) + (b[lane] as number)) >>> 0;
  }
  return result;
}

function multiplyUnsigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.imul(a, (b as Float64Array)[lane] as number) >>> 0;
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = Math.imul(a[lane] as number, b) >>> 0;
  } else {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.imul(a[lane] as number, b[lane] as number) >>> 0;
  }
  return result;
}

function andSigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = a & ((b as Float64Array)[lane] as number);
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = (a[lane] as number) & b;
  } else {
    for (let lane = 0; lane < result.length; lane++) result[lane] = (a[lane] as number) & (b[lane] as number);
  }
  return result;
}

function divideFloats(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  for (let lane = 0; lane < result.length; lane++) result[lane] = Math.fround(laneOf(a, lane) / laneOf(b, lane));
  return result;
}

/** `a × b + c`, rounded once but for the product's last bit of a double. */
export function fuseFloats(a: Lanes, b: Lanes, c: Lanes): Lanes {
  if (typeof a === "number" && typeof b === "number" && typeof c === "number") return Math.fround(a * b + c);
  const result = zeroLanes(typeof c === "number" ? widthOf(a, b) : c.length);
  if (typeof c === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = Math.fround(laneOf(a, lane) * laneOf(b, lane) + c);
  } else if (typeof a === "number" || typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.fround(laneOf(a, lane) * laneOf(b, lane) + (c[lane] as number));
  } else {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = Math.fround((a[lane] as number) * (b[lane] as number) + (c[lane] as number));
  }
  return result;
}

function shiftLeftSigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  for (let lane = 0; lane < result.length; lane++) {
    const by = laneOf(b, lane);
    result[lane] = by > 31 || by < 0 ? 0 : laneOf(a, lane) << by;
  }
  return result;
}

function shiftRightSigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  for (let lane = 0; lane < result.length; lane++) result[lane] = laneOf(a, lane) >> Math.min(31, laneOf(b, lane));
  return result;
}

function andUnsigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  for (let lane = 0; lane < result.length; lane++) result[lane] = (laneOf(a, lane) & laneOf(b, lane)) >>> 0;
  return result;
}

function shiftRightUnsigned(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(widthOf(a, b));
  for (let lane = 0; lane < result.length; lane++) {
    const by = laneOf(b, lane);
    result[lane] = by > 31 || by < 0 ? 0 : laneOf(a, lane) >>> by;
  }
  return result;
}

type Table = ReadonlyMap<string, FastOperation>;

const operations: ReadonlyMap<string, Table> = new Map<string, Table>([
  [
    "f32",
    new Map([
      ["+", addFloats],
      ["-", subtractFloats],
      ["*", multiplyFloats],
      ["/", divideFloats],
    ]),
  ],
  [
    "i32",
    new Map([
      ["+", addSigned],
      ["-", subtractSigned],
      ["*", multiplySigned],
      ["&", andSigned],
      ["<<", shiftLeftSigned],
      [">>", shiftRightSigned],
    ]),
  ],
  [
    "u32",
    new Map([
      ["+", addUnsigned],
      ["*", multiplyUnsigned],
      ["&", andUnsigned],
      [">>", shiftRightUnsigned],
    ]),
  ],
]);

/** A fast form of an operation that is not on two plain numbers; undefined where there is none. */
export function fastOperation(operator: string, type: string): FastOperation | undefined {
  return operations.get(type)?.get(operator);
}

/** Addresses of elements of `bytes` bytes: `start + index × bytes`. */
export function elementAddresses(start: Lanes, index: Lanes, bytes: number): Lanes {
  if (typeof start === "number" && typeof index === "number") return start + index * bytes;
  const result = zeroLanes(widthOf(start, index));
  if (typeof start === "number") {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = start + ((index as Float64Array)[lane] as number) * bytes;
  } else if (typeof index === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = (start[lane] as number) + index * bytes;
  } else {
    for (let lane = 0; lane < result.length; lane++)
      result[lane] = (start[lane] as number) + (index[lane] as number) * bytes;
  }
  return result;
}
