/** Lower triangular and symmetric matrices of `size` rows, one row after another; what lies above the diagonal is not read. */

/** Least pivot: below it, points are alike to the last digit. */
const leastPivot = 1e-12;

/** The Cholesky factor of a positive definite matrix, in its place. */
export function factorise(matrix: Float64Array, size: number): void {
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      const value = (matrix[row * size + column] as number) - dotRows(matrix, size, row, column);
      const isDiagonal = row === column;
      matrix[row * size + column] = isDiagonal
        ? Math.sqrt(Math.max(value, leastPivot))
        : value / (matrix[column * size + column] as number);
    }
  }
}

function dotRows(matrix: Float64Array, size: number, row: number, column: number): number {
  const [a, b] = [row * size, column * size];
  let sum = 0;
  for (let at = 0; at < column; at++) sum += (matrix[a + at] as number) * (matrix[b + at] as number);
  return sum;
}

/** Solves L·x = b in place. */
export function solveLower(factor: Float64Array, size: number, values: Float64Array): void {
  for (let row = 0; row < size; row++) {
    let value = values[row] as number;
    for (let at = 0; at < row; at++) value -= (factor[row * size + at] as number) * (values[at] as number);
    values[row] = value / (factor[row * size + row] as number);
  }
}

/** Solves Lᵀ·x = b in place. */
export function solveUpper(factor: Float64Array, size: number, values: Float64Array): void {
  for (let row = size - 1; row >= 0; row--) {
    const value = (values[row] as number) / (factor[row * size + row] as number);
    values[row] = value;
    for (let at = 0; at < row; at++) {
      values[at] = (values[at] as number) - (factor[row * size + at] as number) * value;
    }
  }
}

/** The lower half of the inverse of L·Lᵀ. */
export function inverseOf(factor: Float64Array, size: number): Float64Array {
  const lower = inverseLower(factor, size);
  const inverse = new Float64Array(size * size);
  for (let k = 0; k < size; k++) {
    const from = k * size;
    for (let row = 0; row <= k; row++) {
      const value = lower[from + row] as number;
      const to = row * size;
      for (let column = 0; column <= row; column++) {
        inverse[to + column] = (inverse[to + column] as number) + value * (lower[from + column] as number);
      }
    }
  }
  return inverse;
}

function inverseLower(factor: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    const diagonal = factor[row * size + row] as number;
    // Row by row, so that the inner loop runs along memory.
    for (let k = 0; k < row; k++) {
      const value = factor[row * size + k] as number;
      for (let column = 0; column <= k; column++) {
        const at = row * size + column;
        inverse[at] = (inverse[at] as number) - value * (inverse[k * size + column] as number);
      }
    }
    for (let column = 0; column < row; column++) {
      const at = row * size + column;
      inverse[at] = (inverse[at] as number) / diagonal;
    }
    inverse[row * size + row] = 1 / diagonal;
  }
  return inverse;
}
