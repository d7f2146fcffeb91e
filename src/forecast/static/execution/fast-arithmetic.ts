import type { Lanes } from "./lanes.ts";

/*
 * The commonest operations, each with loops of its own: a loop that calls a function for each lane is several times as
 * slow once it has seen many functions.
 */

type FastOperation = (a: Lanes, b: Lanes) => Lanes;

function widthOf(a: Lanes, b: Lanes): number {
  return typeof a === "number" ? (b as Float64Array).length : a.length;
}

function addFloats(a: Lanes, b: Lanes): Lanes {
  const result = new Float64Array(widthOf(a, b));
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
  const result = new Float64Array(widthOf(a, b));
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
  const result = new Float64Array(widthOf(a, b));
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
  const result = new Float64Array(widthOf(a, b));
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
  const result = new Float64Array(widthOf(a, b));
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
  const result = new Float64Array(widthOf(a, b));
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
  const result = new Float64Array(widthOf(a, b));
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
  const result = new Float64Array(widthOf(a, b));
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
  const result = new Float64Array(widthOf(a, b));
  if (typeof a === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = a & ((b as Float64Array)[lane] as number);
  } else if (typeof b === "number") {
    for (let lane = 0; lane < result.length; lane++) result[lane] = (a[lane] as number) & b;
  } else {
    for (let lane = 0; lane < result.length; lane++) result[lane] = (a[lane] as number) & (b[lane] as number);
  }
  return result;
}

const operations: ReadonlyMap<string, FastOperation> = new Map([
  ["+ f32", addFloats],
  ["- f32", subtractFloats],
  ["* f32", multiplyFloats],
  ["+ i32", addSigned],
  ["- i32", subtractSigned],
  ["* i32", multiplySigned],
  ["+ u32", addUnsigned],
  ["* u32", multiplyUnsigned],
  ["& i32", andSigned],
]);

/** A fast form of an operation that is not on two plain numbers; undefined where there is none. */
export function fastOperation(operator: string, type: string): FastOperation | undefined {
  return operations.get(`${operator} ${type}`);
}

/** Addresses of elements of `bytes` bytes: `start + index × bytes`. */
export function elementAddresses(start: Lanes, index: Lanes, bytes: number): Lanes {
  if (typeof start === "number" && typeof index === "number") return start + index * bytes;
  const result = new Float64Array(widthOf(start, index));
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
