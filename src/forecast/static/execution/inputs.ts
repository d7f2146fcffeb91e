import type { Dtype, InputDraw, TaskArgument } from "../../../domain/index.ts";
import { accessOf, type Bytes } from "./bytes.ts";
import { cutToInteger, fit } from "./rounding.ts";
import { scalarType, type ScalarName } from "./types.ts";

/** The scalar type of a task argument's elements. */
export function scalarOf(dtype: Dtype): ScalarName {
  return dtype;
}

/** A number in [0, 1) that depends on a buffer and an index alone. */
function hash(buffer: number, index: number): number {
  let x = Math.imul((index + 0x3c6ef372) ^ Math.imul(buffer + 1, 0x9e3779b1), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 15), 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 13), 0x27d4eb2f);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

/**
 * What stands in for an input that the task's own program draws: small whole numbers for what may be an index, all bit
 * patterns for bytes and words without sign.
 */
function guess(name: ScalarName): InputDraw {
  if (name === "u8") return { integers: { low: 0, high: 256 } };
  if (name === "u32") return { integers: { low: 0, high: 2 ** 32 } };
  return /^(f|bf)/.test(name) ? { uniform: { low: 0.1, high: 1 } } : { integers: { low: 0, high: 4 } };
}

/** Square matrices are guessed symmetric with a strong diagonal, so that what solves or factors them succeeds. */
function drawMatrixElement(size: number, buffer: number, index: number): number {
  const within = index % (size * size);
  const [row, column] = [Math.floor(within / size), within % size];
  const mirrored = index - within + Math.min(row, column) * size + Math.max(row, column);
  return hash(buffer, mirrored) + (row === column ? size : 0);
}

function isSquare({ shape, draw }: TaskArgument): boolean {
  return !draw && shape.length > 1 && shape.at(-1) === shape.at(-2);
}

/** Where stretches of another buffer begin: `count` of them, one behind the other, that end at its element `end`. */
export interface Offsets {
  readonly count: number;
  readonly end: number;
}

/**
 * What an input whose draw is not known seems to be: whole numbers, one more than some buffer has rows, say where the parts
 * of the longest list begin.
 */
export function offsetsOf(argument: TaskArgument, args: readonly TaskArgument[]): Offsets | undefined {
  const { shape, draw, dtype } = argument;
  const [length = 0] = shape;
  if (draw || shape.length !== 1 || length < 2 || !/^[iu](32|64)$/.test(scalarOf(dtype))) return undefined;
  const others = args.filter((other) => other !== argument && other.role !== "scratch");
  const lists = others.filter(({ role, shape: extents }) => role === "in" && extents.length === 1);
  if (lists.length === 0 || !others.some(({ shape: extents }) => extents[0] === length - 1)) return undefined;
  return { count: length - 1, end: Math.max(...lists.map(({ shape: extents }) => extents[0] as number)) };
}

function drawOffset({ count, end }: Offsets, buffer: number, index: number): number {
  if (index === 0 || index >= count) return index === 0 ? 0 : end;
  return Math.floor(((index + hash(buffer, index)) * end) / count);
}

/** Draws element `index` of an argument. */
function drawElement(draw: InputDraw, buffer: number, index: number): number {
  const u = hash(buffer, index);
  if ("uniform" in draw) return draw.uniform.low + u * (draw.uniform.high - draw.uniform.low);
  if ("integers" in draw) return draw.integers.low + Math.floor(u * (draw.integers.high - draw.integers.low));
  if ("constant" in draw) return draw.constant;
  const radius = Math.sqrt(-2 * Math.log(1 - u));
  return draw.normal.mean + draw.normal.std * radius * Math.cos(2 * Math.PI * hash(buffer + 101, index));
}

/** Fills a stretch of an input, `count` elements from `first` on. */
export function fillInput(
  argument: TaskArgument,
  buffer: number,
  { bytes, base }: { readonly bytes: Bytes; readonly base: number },
  { first, count }: { readonly first: number; readonly count: number },
  offsets?: Offsets,
): void {
  const name = scalarOf(argument.dtype);
  const floating = /^(f|bf)/.test(name);
  const draw = argument.draw ?? guess(name);
  const matrix = floating && isSquare(argument) ? (argument.shape.at(-1) as number) : 0;
  const valueAt = (index: number): number => {
    if (offsets) return drawOffset(offsets, buffer, index);
    return matrix > 0 ? drawMatrixElement(matrix, buffer, index) : drawElement(draw, buffer, index);
  };
  const access = accessOf(scalarType(name));
  for (let element = 0; element < count; element++) {
    const value = valueAt(first + element);
    const fitted = floating ? fit[name](value) : cutToInteger(value, name);
    const at = base + element * access.bytes;
    access.write(bytes, at, fitted, at + 4);
  }
}
