import type { Dtype, InputDraw, TaskArgument } from "../../../domain/index.ts";
import { accessOf, type Bytes } from "./bytes.ts";
import { cutToInteger, fit } from "./rounding.ts";
import { scalarType, type ScalarName } from "./types.ts";

/** The scalar type of a task argument's elements. */
export function scalarOf(dtype: Dtype): ScalarName {
  return dtype as ScalarName;
}

/** A number in [0, 1) that depends on a buffer and an index alone. */
function hash(buffer: number, index: number): number {
  let x = Math.imul((index + 0x3c6ef372) ^ Math.imul(buffer + 1, 0x9e3779b1), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 15), 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 13), 0x27d4eb2f);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

/** What stands in for an input that the task's own program draws. */
const guessedFloats: InputDraw = { uniform: { low: 0.1, high: 1 } };
const guessedIntegers: InputDraw = { integers: { low: 0, high: 4 } };

/** Draws element `index` of an argument. */
function drawElement(draw: InputDraw, buffer: number, index: number): number {
  const u = hash(buffer, index);
  if ("uniform" in draw) return draw.uniform.low + u * (draw.uniform.high - draw.uniform.low);
  if ("integers" in draw) return draw.integers.low + Math.floor(u * (draw.integers.high - draw.integers.low));
  if ("constant" in draw) return draw.constant;
  const radius = Math.sqrt(-2 * Math.log(1 - u));
  return draw.normal.mean + draw.normal.std * radius * Math.cos(2 * Math.PI * hash(buffer + 101, index));
}

/** Fills a stretch of an input from its element `first` on. */
export function fillInput(argument: TaskArgument, buffer: number, target: Bytes, first: number, count: number): void {
  const name = scalarOf(argument.dtype);
  const floating = /^(f|bf)/.test(name);
  const draw = argument.draw ?? (floating ? guessedFloats : guessedIntegers);
  const access = accessOf(scalarType(name));
  for (let element = 0; element < count; element++) {
    const value = drawElement(draw, buffer, first + element);
    const fitted = floating ? fit[name](value) : cutToInteger(value, name);
    access.write(target, element * access.bytes, fitted, element * access.bytes + 4);
  }
}
