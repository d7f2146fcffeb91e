import * as fc from "fast-check";
import { expect, test } from "vitest";
import { lexCuda } from "../domain/index.ts";
import { normaliseSource } from "./normalise.ts";

const kernel = `#include <cuda_fp16.h>
#define TILE 32 // a tile
/* scales */
extern "C" __global__ void scale(float* x, int n) {
  int i = blockIdx.x * TILE + threadIdx.x;   // index
  if (i < n) x[i] *= 2.0f;
}
`;

test("comments, layout and blank lines do not matter", () => {
  const other = kernel
    .replaceAll(/\/\/.*|\/\*.*\*\//g, "")
    .replaceAll("  ", "\t")
    .replace("{\n", "\n\n{ /* start */\n")
    .replaceAll("\n", "\r\n");
  expect(normaliseSource(other)).toBe(normaliseSource(kernel));
  expect(normaliseSource(kernel).split("\n")).toEqual([
    "# include < cuda_fp16 . h >",
    "# define TILE 32",
    'extern "C" __global__ void scale ( float * x , int n ) { int i = blockIdx . x * TILE + threadIdx . x ; if ( i < n ) x [ i ] *= 2.0f ; }',
  ]);
});

test.each([
  ["a + +b", "a ++b"],
  ["#define F(x) x\n", "#define F (x) x\n"],
  ["#define A\n1", "#define A 1\n"],
  ['"a b"', '"ab"'],
  ["int x", "intx"],
  ["#define A 1 \\\n + 2\n", "#define A 1\n+ 2\n"],
])("%j and %j stay different", (a, b) => {
  expect(normaliseSource(a)).not.toBe(normaliseSource(b));
});

test.each([
  ["#define A 1 \\\n + 2\nint x;", "#define A 1 + 2\nint x;"],
  ["a /* x */ b", "a\nb"],
  ["int x; // end", "int x;"],
  ["  #  define A", "#define A"],
])("%j and %j are the same", (a, b) => {
  expect(normaliseSource(a)).toBe(normaliseSource(b));
});

test("normalising twice changes nothing, and extra space between tokens neither", () => {
  const token = fc.constantFrom("a", "1.5f", "+", "++", "(", ")", "{", "}", ";", '"s t"', "<", "int");
  fc.assert(
    fc.property(fc.array(token), (tokens) => {
      const once = normaliseSource(tokens.join(" "));
      expect(normaliseSource(once)).toBe(once);
      expect(normaliseSource(tokens.join(" /* c */\n\t"))).toBe(once);
      expect(lexCuda(once).some(({ kind }) => kind === "comment")).toBe(false);
    }),
  );
});
