import { brainBits, brainOf, halfBits, halfOf } from "./rounding.ts";
import type { PointerType, ScalarName, ScalarType } from "./types.ts";

/** Some bytes, seen as numbers of every width. Offsets are in bytes and aligned. */
export class Bytes {
  readonly u8: Uint8Array;
  readonly i8: Int8Array;
  readonly u16: Uint16Array;
  readonly i16: Int16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;

  constructor(size: number) {
    const buffer = new ArrayBuffer(Math.ceil(size / 8) * 8);
    this.u8 = new Uint8Array(buffer);
    this.i8 = new Int8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i16 = new Int16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.f32 = new Float32Array(buffer);
  }
}

/** Reads a number as `Access.read` does; the commonest types without a call that differs from place to place. */
export function readAt(access: Access, from: Bytes, at: number, high: number): number {
  switch (access.name) {
    case "f32":
      return from.f32[at >>> 2] as number;
    case "i32":
      return from.i32[at >>> 2] as number;
    case "u32":
      return from.u32[at >>> 2] as number;
    case "u8":
      return from.u8[at] as number;
    case "f16":
      return halfOf(from.u16[at >>> 1] as number);
    default:
      return access.read(from, at, high);
  }
}

/** Writes a number as `Access.write` does. */
export function writeAt(access: Access, to: Bytes, at: number, value: number, high: number): void {
  switch (access.name) {
    case "f32":
      to.f32[at >>> 2] = value;
      return;
    case "i32":
      to.i32[at >>> 2] = value;
      return;
    case "u32":
      to.u32[at >>> 2] = value;
      return;
    default:
      access.write(to, at, value, high);
  }
}

/** How a scalar type is read from memory and written to it. 8-byte types are two words that need not be neighbours. */
export interface Access {
  readonly name: ScalarName;
  readonly bytes: number;
  readonly read: (from: Bytes, at: number, high: number) => number;
  readonly write: (to: Bytes, at: number, value: number, high: number) => void;
}

const two32 = 2 ** 32;
const wide = new DataView(new ArrayBuffer(8));

const ways: Readonly<Record<ScalarName, Omit<Access, "name">>> = {
  void: { bytes: 1, read: (from, at) => from.u8[at] as number, write: () => undefined },
  bool: {
    bytes: 1,
    read: (from, at) => from.u8[at] as number,
    write: (to, at, value) => {
      to.u8[at] = value;
    },
  },
  i8: {
    bytes: 1,
    read: (from, at) => from.i8[at] as number,
    write: (to, at, value) => {
      to.i8[at] = value;
    },
  },
  u8: {
    bytes: 1,
    read: (from, at) => from.u8[at] as number,
    write: (to, at, value) => {
      to.u8[at] = value;
    },
  },
  i16: {
    bytes: 2,
    read: (from, at) => from.i16[at >>> 1] as number,
    write: (to, at, value) => {
      to.i16[at >>> 1] = value;
    },
  },
  u16: {
    bytes: 2,
    read: (from, at) => from.u16[at >>> 1] as number,
    write: (to, at, value) => {
      to.u16[at >>> 1] = value;
    },
  },
  i32: {
    bytes: 4,
    read: (from, at) => from.i32[at >>> 2] as number,
    write: (to, at, value) => {
      to.i32[at >>> 2] = value;
    },
  },
  u32: {
    bytes: 4,
    read: (from, at) => from.u32[at >>> 2] as number,
    write: (to, at, value) => {
      to.u32[at >>> 2] = value;
    },
  },
  f32: {
    bytes: 4,
    read: (from, at) => from.f32[at >>> 2] as number,
    write: (to, at, value) => {
      to.f32[at >>> 2] = value;
    },
  },
  f16: {
    bytes: 2,
    read: (from, at) => halfOf(from.u16[at >>> 1] as number),
    write: (to, at, value) => {
      to.u16[at >>> 1] = halfBits(value);
    },
  },
  bf16: {
    bytes: 2,
    read: (from, at) => brainOf(from.u16[at >>> 1] as number),
    write: (to, at, value) => {
      to.u16[at >>> 1] = brainBits(value);
    },
  },
  i64: {
    bytes: 8,
    read: (from, at, high) => (from.i32[high >>> 2] as number) * two32 + (from.u32[at >>> 2] as number),
    write: (to, at, value, high) => {
      to.i32[high >>> 2] = Math.floor(value / two32);
      to.u32[at >>> 2] = value >>> 0;
    },
  },
  u64: {
    bytes: 8,
    read: (from, at, high) => (from.u32[high >>> 2] as number) * two32 + (from.u32[at >>> 2] as number),
    write: (to, at, value, high) => {
      to.u32[high >>> 2] = Math.floor(value / two32);
      to.u32[at >>> 2] = value >>> 0;
    },
  },
  f64: {
    bytes: 8,
    read: (from, at, high) => {
      wide.setUint32(0, from.u32[high >>> 2] as number);
      wide.setUint32(4, from.u32[at >>> 2] as number);
      return wide.getFloat64(0);
    },
    write: (to, at, value, high) => {
      wide.setFloat64(0, value);
      to.u32[high >>> 2] = wide.getUint32(0);
      to.u32[at >>> 2] = wide.getUint32(4);
    },
  },
};

const accesses = Object.fromEntries(
  (Object.keys(ways) as ScalarName[]).map((name) => [name, { ...ways[name], name }]),
) as Record<ScalarName, Access>;

export function accessOf(type: ScalarType | PointerType): Access {
  return type.kind === "pointer" ? accesses.u64 : accesses[type.name];
}
