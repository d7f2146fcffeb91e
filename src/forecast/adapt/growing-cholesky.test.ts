import fc from "fast-check";
import { expect, it } from "vitest";
import { GrowingCholesky } from "./growing-cholesky.ts";

/** A·Aᵀ + I of a random A: positive definite. */
const matrices = fc.integer({ min: 1, max: 12 }).chain((size) =>
  fc
    .array(fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: size, maxLength: size }), {
      minLength: size,
      maxLength: size,
    })
    .map((rows) =>
      rows.map((row, i) =>
        rows.map((other, j) => row.reduce((sum, x, k) => sum + x * (other[k] as number), i === j ? 1 : 0)),
      ),
    ),
);

function factorOf(matrix: readonly (readonly number[])[]): GrowingCholesky {
  const factor = new GrowingCholesky();
  matrix.forEach((row, at) => factor.append(row.slice(0, at), row[at] as number));
  return factor;
}

it("multiplies to the matrix again", () => {
  fc.assert(
    fc.property(matrices, (matrix) => {
      const factor = factorOf(matrix);
      matrix.forEach((row, i) => {
        for (let j = 0; j <= i; j++) {
          let sum = 0;
          for (let k = 0; k <= j; k++) sum += factor.at(i, k) * factor.at(j, k);
          expect(sum).toBeCloseTo(row[j] as number, 8);
        }
      });
    }),
  );
});

it("is the same after forgetting rows and adding them again", () => {
  fc.assert(
    fc.property(matrices, fc.nat(12), (matrix, kept) => {
      const [whole, again] = [factorOf(matrix), factorOf(matrix)];
      again.truncate(Math.min(kept, matrix.length));
      for (let at = again.size; at < matrix.length; at++)
        again.append(matrix[at]?.slice(0, at) ?? [], matrix[at]?.[at] ?? 1);
      const values = (factor: GrowingCholesky): number[] =>
        matrix.flatMap((_, i) => matrix.slice(0, i + 1).map((__, j) => factor.at(i, j)));
      expect(values(again)).toEqual(values(whole));
    }),
  );
});

it("solves, and goes on from a solution for fewer rows", () => {
  fc.assert(
    fc.property(matrices, fc.nat(12), (matrix, first) => {
      const factor = factorOf(matrix);
      const right = matrix.map((_, at) => Math.sin(at + 1));
      const solved = Float64Array.from(right);
      factor.solveLower(solved);
      matrix.forEach((_, i) => {
        let sum = 0;
        for (let k = 0; k <= i; k++) sum += factor.at(i, k) * (solved[k] as number);
        expect(sum).toBeCloseTo(right[i] as number, 8);
      });
      const start = Math.min(first, matrix.length);
      const onward = Float64Array.from(right, (value, at) => (at < start ? (solved[at] as number) : value));
      factor.solveLower(onward, start);
      expect([...onward]).toEqual([...solved]);
    }),
  );
});

it("stays finite where two rows are alike", () => {
  const factor = factorOf([
    [1, 1],
    [1, 1],
  ]);
  const values = Float64Array.of(1, 1);
  factor.solveLower(values);
  expect(values.every(Number.isFinite)).toBe(true);
});
