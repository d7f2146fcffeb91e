/** Weights of a linear fit without intercept: (XᵀWX + penalty·I)⁻¹ XᵀWy. Rows must be centred by the caller. */
export function ridge(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  weights: readonly number[],
  penalty: number,
): number[] {
  const size = rows[0]?.length ?? 0;
  const matrix = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size + 1 }, (_unused, j) => (i === j ? penalty : 0)),
  );
  rows.forEach((row, at) => {
    const weight = weights[at] as number;
    for (let i = 0; i < size; i++) {
      const line = matrix[i] as number[];
      const scaled = weight * (row[i] as number);
      for (let j = 0; j < size; j++) line[j] = (line[j] as number) + scaled * (row[j] as number);
      line[size] = (line[size] as number) + scaled * (targets[at] as number);
    }
  });
  return solve(matrix);
}

/** Solves a symmetric positive definite system given with its right side as last column, by Gauss and Jordan. */
function solve(matrix: number[][]): number[] {
  const size = matrix.length;
  for (let pivot = 0; pivot < size; pivot++) {
    const line = matrix[pivot] as number[];
    const scale = line[pivot] as number;
    for (let column = pivot; column <= size; column++) line[column] = (line[column] as number) / scale;
    for (let other = 0; other < size; other++) {
      const target = matrix[other] as number[];
      const factor = other === pivot ? 0 : (target[pivot] as number);
      if (factor === 0) continue;
      for (let column = pivot; column <= size; column++) {
        target[column] = (target[column] as number) - factor * (line[column] as number);
      }
    }
  }
  return matrix.map((line) => line[size] as number);
}
