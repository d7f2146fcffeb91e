import { z } from "zod";
import { KernelcastError } from "../../domain/index.ts";
import { featureNames } from "../static/features.ts";
import type { Tensor } from "./tensors.ts";

/** What a comparison network is made of. */
export interface NetworkSizes {
  /** Number of features; 0 for a network that reads text alone. */
  readonly features: number;
  /** Width of a kernel's description. */
  readonly width: number;
  /** Width of the encoder's vectors; 0 for a network that reads no text. */
  readonly textWidth: number;
}

/** A comparison network's weights. */
export interface NetworkWeights extends NetworkSizes {
  tensor(name: string): Tensor;
}

type Shapes = Readonly<Record<string, readonly number[]>>;

/** Tensors as model files hold them: float16, little-endian, base64. */
export const tensorsSchema = z.record(z.string(), z.object({ shape: z.array(z.int()), data: z.string() }));

function featureShapes(f: number, w: number): Shapes {
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
  };
}

function textShapes(t: number, w: number): Shapes {
  return {
    "text.0.weight": [t],
    "text.0.bias": [t],
    "text.1.weight": [w, t],
    "text.1.bias": [w],
    "text.4.weight": [w, w],
    "text.4.bias": [w],
  };
}

/** Names and shapes of the weights. */
function networkShapes({ features, width: w, textWidth }: NetworkSizes): Shapes {
  const read = textWidth > 0 ? 1 : 0;
  return {
    ...(features > 0 ? featureShapes(features, w) : {}),
    ...(read ? textShapes(textWidth, w) : {}),
    "pair.0.weight": [2 * w, (4 + 2 * read) * w + 3],
    "pair.0.bias": [2 * w],
    "pair.3.weight": [w, 2 * w],
    "pair.3.bias": [w],
    "difference.weight": [1, w],
    "difference.bias": [1],
    "likeness.weight": [1, w],
    "likeness.bias": [1],
    "summary.0.weight": [w, (2 + read) * w + 3],
    "summary.0.bias": [w],
    "summary.2.weight": [3, w],
    "summary.2.bias": [3],
    "working.0.weight": [w, (2 + read) * w],
    "working.0.bias": [w],
    "working.3.weight": [1, w],
    "working.3.bias": [1],
  };
}

/** Decodes the weights of a network. Throws `KernelcastError("model", …)` for damaged ones; `path` is for the message. */
export function readWeights(path: string, sizes: NetworkSizes, tensors: z.infer<typeof tensorsSchema>): NetworkWeights {
  const decoded = new Map(
    Object.entries(networkShapes(sizes)).map(([name, shape]) => [name, decode(path, name, shape, tensors[name])]),
  );
  return { ...sizes, tensor: (name) => decoded.get(name) as Tensor };
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

/** Reads a model file of the forecaster `kind`. Throws `KernelcastError("model", …)` for what is none. */
export function parseModelFile<T>(
  schema: z.ZodType<T>,
  text: string,
  { kind, path }: { kind: string; path: string },
): T {
  const parsed = schema.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new KernelcastError(
    "model",
    `${path}: not a model of the forecaster ${kind}: ${issue?.path.join(".")} ${issue?.message}`,
  );
}

/** Features are known by their order alone, so that a model of others would forecast nonsense. */
export function checkFeatureNames(path: string, names: readonly string[]): void {
  if (names.join() === featureNames.join()) return;
  const advice = "train it again (docs/guide/training-forecasters.md)";
  throw new KernelcastError(
    "model",
    `${path}: the model was trained on other features than this version computes; ${advice}`,
  );
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
