import type { ScalarName } from "./types.ts";

const splitHalf = 2 ** 42 + 1;
const splitBrain = 2 ** 45 + 1;
/** Adding and taking it away again rounds to multiples of 2⁻²⁴, the smallest half. */
const subnormalShift = 1.5 * 2 ** 28;

/** The nearest half. */
export function roundHalf(x: number): number {
  const size = Math.abs(x);
  if (size >= 65_520) return x > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  if (size < 2 ** -14) return x === 0 ? x : x + subnormalShift - subnormalShift;
  const scaled = x * splitHalf;
  return scaled - (scaled - x);
}

/** The nearest bfloat16. */
export function roundBrain(x: number): number {
  if (!Number.isFinite(x) || Math.abs(x) > 1e37) return Math.fround(x);
  const scaled = x * splitBrain;
  return scaled - (scaled - x);
}

/** Raised where a source uses what is not modelled; it yields no verdict. */
export class Unsupported extends Error {}

/** Raised where a source does not fit the language: an unknown name, a type that does not convert. */
export class Mistyped extends Unsupported {}

const exact = 2 ** 53;

function whole64(x: number): number {
  if (Math.abs(x) > exact) throw new Unsupported("64-bit arithmetic beyond 53 bits");
  return x;
}

/** Brings the exact result of integer arithmetic, or a number of a floating type, into a type. */
export const fit: Readonly<Record<ScalarName, (x: number) => number>> = {
  void: (x) => x,
  bool: (x) => (x === 0 ? 0 : 1),
  i8: (x) => (x << 24) >> 24,
  u8: (x) => x & 255,
  i16: (x) => (x << 16) >> 16,
  u16: (x) => x & 65_535,
  i32: (x) => x | 0,
  u32: (x) => x >>> 0,
  i64: whole64,
  u64: (x) => {
    if (x >= 0) return whole64(x);
    throw new Unsupported("a negative unsigned 64-bit number");
  },
  f16: roundHalf,
  bf16: roundBrain,
  f32: Math.fround,
  f64: (x) => x,
};

const ranges: Partial<Record<ScalarName, readonly [number, number]>> = {
  i8: [-128, 127],
  u8: [0, 255],
  i16: [-32_768, 32_767],
  u16: [0, 65_535],
  i32: [-2_147_483_648, 2_147_483_647],
  u32: [0, 4_294_967_295],
  i64: [-exact, exact],
  u64: [0, exact],
};

/** A floating number as an integer: cut towards 0, held at the ends of the range; NaN is 0. */
export function cutToInteger(x: number, to: ScalarName): number {
  const range = ranges[to];
  if (!range) return fit[to](x);
  return Number.isNaN(x) ? 0 : Math.min(range[1], Math.max(range[0], Math.trunc(x)));
}

const scratch = new DataView(new ArrayBuffer(8));

/** Bits of a half as an unsigned integer. */
export function halfBits(x: number): number {
  if (Number.isNaN(x)) return 0x7fff;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const size = Math.abs(x);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24);
  scratch.setFloat32(0, size);
  const bits = scratch.getUint32(0);
  return sign | ((bits >>> 13) - (112 << 10));
}

const halves = Float64Array.from({ length: 65_536 }, (_, bits) => {
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
});

/** The half of some bits. */
export function halfOf(bits: number): number {
  return halves[bits] as number;
}

export function brainBits(x: number): number {
  scratch.setFloat32(0, x);
  return scratch.getUint16(0);
}

export function brainOf(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

export function floatBits(x: number): number {
  scratch.setFloat32(0, x);
  return scratch.getUint32(0);
}

export function floatOf(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}
