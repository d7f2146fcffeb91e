import { normalCdf } from "../../domain/index.ts";

/** A matrix of weights, row by row, or a vector (`columns` 1). */
export interface Tensor {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** matrix · vector, plus a bias. */
export function affine(matrix: Tensor, vector: ArrayLike<number>, bias: ArrayLike<number>): Float64Array {
  const { rows, columns, values } = matrix;
  const out = new Float64Array(rows);
  for (let row = 0, place = 0; row < rows; row++) {
    let sum = bias[row] as number;
    for (let column = 0; column < columns; column++) sum += (values[place++] as number) * (vector[column] as number);
    out[row] = sum;
  }
  return out;
}

/** Some columns of a matrix. */
export function columnsOf({ rows, columns, values }: Tensor, from: number, to: number): Tensor {
  const part = new Float32Array(rows * (to - from));
  for (let row = 0; row < rows; row++)
    part.set(values.subarray(row * columns + from, row * columns + to), row * (to - from));
  return { rows, columns: to - from, values: part };
}

/** first + factor · second, element by element. */
export function added(first: ArrayLike<number>, second: ArrayLike<number>, factor = 1): Float64Array {
  const out = new Float64Array(first.length);
  for (let at = 0; at < out.length; at++) out[at] = (first[at] as number) + factor * (second[at] as number);
  return out;
}

/** x · Φ(x): Gaussian error linear unit, in place. */
export function gelu(vector: Float64Array): Float64Array {
  for (let at = 0; at < vector.length; at++) vector[at] = (vector[at] as number) * normalCdf(vector[at] as number);
  return vector;
}

/** Layer normalisation with learned gain and bias (Ba, Kiros and Hinton, 2016). */
export function normalised(vector: Float64Array, gain: ArrayLike<number>, bias: ArrayLike<number>): Float64Array {
  const mean = vector.reduce((sum, x) => sum + x, 0) / vector.length;
  const variance = vector.reduce((sum, x) => sum + (x - mean) ** 2, 0) / vector.length;
  const scale = 1 / Math.sqrt(variance + 1e-5);
  return vector.map((x, at) => (x - mean) * scale * (gain[at] as number) + (bias[at] as number));
}
