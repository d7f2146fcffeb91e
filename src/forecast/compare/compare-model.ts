import { z } from "zod";
import { KernelcastError } from "../../domain/index.ts";
import { featureNames } from "../static/features.ts";
import type { Tensor } from "./tensors.ts";

/** Names and shapes of the weights, by the number of features `f` and the width `w` of a description. */
function shapes(f: number, w: number): Readonly<Record<string, readonly number[]>> {
  return {
    centre: [f],
    scale: [f],
    "facts.0.weight": [2 * w, 2 * f],
    "facts.0.bias": [2 * w],
    "facts.3.weight": [w, 2 * w],
    "facts.3.bias": [w],
    "facts.4.weight": [w],
    "facts.4.bias": [w],
    "change.weight": [w, 2 * f],
    "change.bias": [w],
    "pair.0.weight": [2 * w, 4 * w + 3],
    "pair.0.bias": [2 * w],
    "pair.3.weight": [w, 2 * w],
    "pair.3.bias": [w],
    "difference.weight": [1, w],
    "difference.bias": [1],
    "likeness.weight": [1, w],
    "likeness.bias": [1],
    "summary.0.weight": [w, 2 * w + 3],
    "summary.0.bias": [w],
    "summary.2.weight": [3, w],
    "summary.2.bias": [3],
    "working.0.weight": [w, 2 * w],
    "working.0.bias": [w],
    "working.3.weight": [1, w],
    "working.3.bias": [1],
  };
}

const schema = z.object({
  format: z.literal("kernelcast-compare-1"),
  featureNames: z.array(z.string()),
  width: z.int().min(1).max(4096),
  tensors: z.record(z.string(), z.object({ shape: z.array(z.int()), data: z.string() })),
});

/** The comparison network's weights. */
export interface CompareModel {
  readonly width: number;
  tensor(name: string): Tensor;
}

/** Reads a model from its file's text. Throws `KernelcastError("model", …)`; `path` is for the message. */
export function parseCompareModel(text: string, path: string): CompareModel {
  const parsed = schema.safeParse(parseJson(text, path));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new KernelcastError(
      "model",
      `${path}: not a model of the forecaster compare: ${issue?.path.join(".")} ${issue?.message}`,
    );
  }
  const { width, tensors, featureNames: names } = parsed.data;
  if (names.join() !== featureNames.join()) {
    const advice = "train it again (docs/guide/training-forecasters.md)";
    throw new KernelcastError(
      "model",
      `${path}: the model was trained on other features than this version computes; ${advice}`,
    );
  }
  const decoded = new Map(
    Object.entries(shapes(names.length, width)).map(([name, shape]) => [
      name,
      decode(path, name, shape, tensors[name]),
    ]),
  );
  return { width, tensor: (name) => decoded.get(name) as Tensor };
}

function decode(
  path: string,
  name: string,
  shape: readonly number[],
  given: { readonly shape: readonly number[]; readonly data: string } | undefined,
): Tensor {
  const values = decodeFloat16(given?.data ?? "");
  const [rows = 1, columns = 1] = shape;
  const isSound = values.length === rows * columns && values.every((value) => Number.isFinite(value));
  if (given?.shape.join() !== shape.join() || !isSound)
    throw new KernelcastError("model", `${path}: the weights ${name} are damaged; take the file anew`);
  return { rows, columns, values };
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KernelcastError("model", `${path}: not a model: it is not JSON`, { cause });
  }
}

/** IEEE half-precision numbers, little-endian, from base64. */
export function decodeFloat16(base64: string): Float32Array {
  const bytes = Buffer.from(base64, "base64");
  return Float32Array.from({ length: bytes.length >> 1 }, (_, at) => halfToNumber(bytes.readUInt16LE(2 * at)));
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
