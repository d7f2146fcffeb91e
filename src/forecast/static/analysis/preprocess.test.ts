import { describe, expect, test } from "vitest";
import { preprocess } from "./preprocess.ts";

function text(source: string, options: readonly string[] = []): string {
  return preprocess(source, options)
    .map((token) => token.text)
    .join(" ");
}

describe("preprocess", () => {
  test.each<[string, string, string]>([
    ["plain macros", "#define N 4\nint a[N];", "int a [ 4 ] ;"],
    ["macros of macros", "#define A B\n#define B 3\nA", "3"],
    ["macros that name themselves", "#define x (x + 1)\nx", "( x + 1 )"],
    ["functions", "#define MUL(a, b) ((a) * (b))\nMUL(x + 1, f(y, z))", "( ( x + 1 ) * ( f ( y , z ) ) )"],
    ["a function's name alone", "#define F(x) x\nF;", "F ;"],
    ["any number of arguments", "#define CALL(f, ...) f(__VA_ARGS__)\nCALL(g, 1, 2)", "g ( 1 , 2 )"],
    ["a space before the parenthesis", "#define F (1)\nF", "( 1 )"],
    ["splices", "#define A 1 \\\n + 2\nA", "1 + 2"],
    ["undefined again", "#define A 1\n#undef A\nA", "A"],
    ["unroll pragmas", "#define U 4\n#pragma unroll U\nfor(;;);", "#unroll 4 for ( ; ; ) ;"],
    ["unroll without a number", "#pragma unroll\nx", "#unroll x"],
    ["nounroll", "#pragma nounroll\nx", "#unroll 1 x"],
    ["other directives", "#include <mma.h>\n#pragma once\nx", "x"],
    ["inactive code", "#if 0\na\n#elif 1\nb\n#else\nc\n#endif\nd", "b d"],
    ["nested conditionals", "#ifdef A\n#if 1\na\n#endif\n#else\nb\n#endif", "b"],
    ["comparisons", "#define T 16\n#if T >= 32\na\n#else\nb\n#endif", "b"],
    ["defined", "#define T\n#if !defined(T)\na\n#endif\n#ifndef U\nb\n#endif", "b"],
    ["comments", "a // b\n/* c */ d", "a d"],
  ])("%s", (_, source, expected) => {
    expect(text(source)).toBe(expected);
  });

  test("compile options define macros", () => {
    expect(text("TILE FLAG", ["-DTILE=8 * 2", "-DFLAG", "-O3"])).toBe("8 * 2 1");
  });

  test("expansion that multiplies ends", () => {
    const lines = Array.from({ length: 40 }, (_, level) => `#define A${level + 1} A${level} A${level}`);
    expect(preprocess(`${lines.join("\n")}\nA40`, []).length).toBeLessThan(200_000);
  });
});
