import type { LocalArray } from "./regions.ts";
import type { PointerType, ScalarType } from "./types.ts";

/** All lanes' words at an offset of their arrays; undefined for types of other widths. */
export function rowOf(
  region: LocalArray,
  type: ScalarType | PointerType,
  at: number,
  width: number,
): Float32Array | Int32Array | Uint32Array | undefined {
  if (type.kind === "pointer" || type.bytes !== 4 || at < 0 || at + 4 > region.bytes || at % 4 !== 0) return undefined;
  const first = (at >>> 2) * width;
  const { words } = region;
  const view = type.name === "f32" ? words.f32 : type.name === "i32" ? words.i32 : words.u32;
  return view.subarray(first, first + width);
}
